--[[
  An operator has a node forgotten: a Mac that was retired, or an id that was given by mistake.

  KEYS[1] incarnations (hash)  KEYS[2] leases (sorted set)  KEYS[3] nodes (hash)  KEYS[4] pools (set)  KEYS[5] absent (hash)
  KEYS[6] events (stream)
  ARGV[1] prefix of the mesh's own keys   ARGV[2] node id

  Result: {'unknown'}, {'up'} (its lease runs), {'holds', task id...} (locks name it), or {'forgotten'}
  Invariant: nothing is changed unless it is forgotten. No task is active under the name of a node that is not known.
]]
--- @include now
--- @include mesh-event
--- @include forget-node

local base, node = ARGV[1], ARGV[2]

-- Refuse. Field '' is no node.
if node == '' or redis.call('HEXISTS', KEYS[1], node) + redis.call('HEXISTS', KEYS[3], node) == 0 then
  return {'unknown'}
end
local now = redisNow()
local leaseEnds = tonumber(redis.call('ZSCORE', KEYS[2], node) or nil)
if leaseEnds and leaseEnds > now then
  return {'up'}
end
local result = {'holds'}
for _, pool in ipairs(redis.call('SMEMBERS', KEYS[4])) do
  local tasks = base .. ':' .. pool .. ':'
  for _, id in ipairs(redis.call('LRANGE', tasks .. 'active', 0, -1)) do
    local token = redis.call('GET', tasks .. id .. ':lock')
    if token and string.match(token, '^([^~:]+)~%d+:') == node then
      result[#result + 1] = id
    end
  end
end
if #result > 1 then
  return result
end

-- Change. As a reader of the events it may have some that it has not dealt with, which others take over first; it is removed
-- there by forget-nodes.lua, for which it counts as away from now on.
forgetNode(base, node)
redis.call('HSET', KEYS[5], node, '0 ' .. string.format('%.0f', now))
meshEvent(KEYS[6], 'node-forgotten', now, {'node', node})
return {'forgotten'}
