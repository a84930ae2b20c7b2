--[[
  An operator forgets a node: a retired Mac, or an id that was given by mistake.

  ARGV: node (id)
  Result: {'unknown'}, {'up'} (its lease is valid), {'has-claims', task id...} (locks name it), or {'forgotten'}
  Invariant: nothing changes unless the node is forgotten. No active task has the lock of an unknown node.
]]
--- @include layout
--- @include now
--- @include ms
--- @include mesh-event
--- @include forget-node

local node = ARGV[1]
local mesh = meshKeys(KEYS[1])
local now = redisNow()

-- Field '' is not a node.
if node == '' or redis.call('HEXISTS', mesh.incarnations, node) + redis.call('HEXISTS', mesh.nodes, node) == 0 then
  return {'unknown'}
end
local leaseEnds = tonumber(redis.call('ZSCORE', mesh.leases, node))
if leaseEnds and leaseEnds > now then
  return {'up'}
end
local hasClaims = {'has-claims'}
for _, name in ipairs(redis.call('SMEMBERS', mesh.pools)) do
  local pool = poolKeys(mesh.prefix, name)
  for _, id in ipairs(redis.call('LRANGE', pool.active, 0, -1)) do
    local token = redis.call('GET', pool.tasks .. id .. ':lock')
    if token and string.match(token, '^([^~:]+)~%d+:') == node then
      hasClaims[#hasClaims + 1] = id
    end
  end
end
if #hasClaims > 1 then
  return hasClaims
end

-- As a reader of the events, the node may have unhandled ones, which other readers must take over first.
-- forget-nodes.lua, which counts the node as away from now on, removes that reader later.
forgetNode(mesh, node)
redis.call('HSET', mesh.absent, node, '0 ' .. ms(now))
meshEvent(mesh, 'node-forgotten', now, {'node', node})
return {'forgotten'}
