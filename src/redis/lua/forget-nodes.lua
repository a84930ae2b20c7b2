--[[
  Forgets nodes that have been away for long: all that is kept by node id. One is away when it has no lease; since when is
  noted at the first look, and noted anew when it has had another incarnation meanwhile.

  KEYS[1] incarnations (hash)  KEYS[2] leases (sorted set)  KEYS[3] absent (hash)
  ARGV[1] prefix of the mesh's own keys   ARGV[2] how long a node is remembered (ms)   ARGV[3...] node ids

  Result: the ids of the forgotten
  Invariant: a node that comes back after that gets a higher incarnation than it ever had.
]]
--- @include now
--- @include forget-node

local now = redisNow()
local forgotten = {}
for i = 3, #ARGV do
  local node = ARGV[i]
  local incarnation = redis.call('HGET', KEYS[1], node) or '0'
  local seen, since = string.match(redis.call('HGET', KEYS[3], node) or '', '^(%d+) (%d+)$')
  if redis.call('ZSCORE', KEYS[2], node) then
    redis.call('HDEL', KEYS[3], node)
  elseif seen ~= incarnation then
    redis.call('HSET', KEYS[3], node, incarnation .. ' ' .. string.format('%.0f', now))
  elseif now - tonumber(since) >= tonumber(ARGV[2]) then
    forgetNode(ARGV[1], node)
    forgotten[#forgotten + 1] = node
  end
end
return forgotten
