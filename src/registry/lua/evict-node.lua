--[[
  An operator declares a node dead.

  ARGV: node (id), lease (ms)
  Result: the incarnation that was declared dead, or 'unknown' if there is no such node
]]
--- @include layout
--- @include now
--- @include declare-dead

local node, lease = unpack(ARGV)
lease = tonumber(lease)
local mesh = meshKeys(KEYS[1])

local incarnation = redis.call('HGET', mesh.incarnations, node)
if not incarnation then
  return 'unknown'
end
local now = redisNow()
declareDead(mesh, node, incarnation, 'evicted', now, lastSign(mesh, node, now, lease), nil)
return tonumber(incarnation)
