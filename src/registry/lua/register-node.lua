--[[
  A daemon starts: assigns the node's next incarnation, which fences the previous one, and an initial lease. Other
  nodes may requeue the tasks of the previous incarnation at once, or after a reservation (`hold`), in which the new
  incarnation can adopt them.

  ARGV: node (id), lease (ms), hold (ms; 0: none), expected (the previous incarnation as the caller knows it; 0: none,
  '': replaces any), pools that the node serves...
  Result: {incarnation, Redis time (ms)}, or 'fenced' if the node's incarnation is not the expected one
  Invariant: incarnations of a node only grow, so two daemons never have the same one. If two daemons start at the
  same moment, one is refused.
]]
--- @include layout
--- @include now
--- @include declare-dead

local node, lease, hold, expected = unpack(ARGV)
lease, hold = tonumber(lease), tonumber(hold)
local pools = {unpack(ARGV, 5)}
local mesh = meshKeys(KEYS[1])
local now = redisNow()

local previous = redis.call('HGET', mesh.incarnations, node)
if expected ~= '' and (previous or '0') ~= expected then
  return 'fenced'
end

if previous then
  local reservedUntil = hold > 0 and now + hold or nil
  declareDead(mesh, node, previous, 'crash', now, lastSign(mesh, node, now, lease), reservedUntil)
else
  -- Start above all forgotten nodes: this node may be one of them.
  redis.call('HSET', mesh.incarnations, node, tonumber(redis.call('HGET', mesh.incarnations, '') or '0') + 1)
end

redis.call('ZADD', mesh.leases, now + lease, node)
for _, pool in ipairs(pools) do
  redis.call('SADD', mesh.pools, pool)
end
redis.call('HSET', mesh.serves, node, table.concat(pools, ' '))
local incarnation = redis.call('HGET', mesh.incarnations, node)
meshEvent(mesh, 'node-up', now, {'node', node, 'incarnation', incarnation})
return {tonumber(incarnation), now}
