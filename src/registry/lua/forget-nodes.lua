--[[
  Forgets nodes that have been away for long, with everything that is stored by node id. A node without a lease is
  away. The first call records the time; a node with another incarnation since then is recorded again.

  ARGV: keep (for how long a node is remembered, ms), nodes (ids)...
  Result: the ids of the forgotten nodes
  Invariant: a forgotten node that comes back gets a higher incarnation than it ever had.
]]
--- @include layout
--- @include now
--- @include ms
--- @include forget-node

local keep = tonumber(ARGV[1])
local nodes = {unpack(ARGV, 2)}
local mesh = meshKeys(KEYS[1])
local now = redisNow()

local forgotten = {}
for _, node in ipairs(nodes) do
  local incarnation = redis.call('HGET', mesh.incarnations, node) or '0'
  local seen, since = string.match(redis.call('HGET', mesh.absent, node) or '', '^(%d+) (%d+)$')
  if redis.call('ZSCORE', mesh.leases, node) then
    redis.call('HDEL', mesh.absent, node)
  elseif seen ~= incarnation then
    redis.call('HSET', mesh.absent, node, incarnation .. ' ' .. ms(now))
  elseif now - tonumber(since) >= keep then
    forgetNode(mesh, node)
    forgotten[#forgotten + 1] = node
  end
end
return forgotten
