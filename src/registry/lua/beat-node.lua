--[[
  One heartbeat: renews the node's lease and stores its record, unless the incarnation has been replaced or declared
  dead. Then it sweeps, so that sweeping continues even if the nodes whose turn it is are dead.

  ARGV: node (id), incarnation, lease (ms; 0 gives it up), record (JSON), then how to sweep: see sweepOptions in
  includes/sweep.lua
  Result: {Redis time (ms), desired, then the result of the sweep}, or 'fenced'. Desired is the node's desired state:
  see includes/desired-state.lua
  Invariant: a fenced incarnation changes nothing.
]]
--- @include layout
--- @include now
--- @include fence
--- @include desired-state
--- @include sweep

local node, incarnation, lease, record = unpack(ARGV)
lease = tonumber(lease)
local options = sweepOptions(unpack(ARGV, 5))
local mesh = meshKeys(KEYS[1])
local now = redisNow()

if isFenced(mesh, node, incarnation) then
  return 'fenced'
end

if lease > 0 then
  redis.call('ZADD', mesh.leases, now + lease, node)
else
  redis.call('ZREM', mesh.leases, node)
end
redis.call('HSET', mesh.nodes, node, record)

local result = {now, takeDesiredState(mesh, node, now)}
for _, found in ipairs(sweep(mesh, node, now, options)) do
  result[#result + 1] = found
end
return result
