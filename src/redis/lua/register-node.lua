--[[
  A daemon starts: gives it the node's next incarnation, which fences the one before, and a lease to begin with.

  KEYS[1] incarnations (hash)   KEYS[2] leases (sorted set)   KEYS[3] pools (set)
  ARGV[1] node id   ARGV[2] lease (ms)   ARGV[3...] pools the node serves

  Result: {incarnation, Redis time (ms)}
  Invariant: incarnations of a node only grow, so no two lives of it ever hold the same one.
]]
--- @include now

local now = redisNow()
local incarnation = redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[2]), ARGV[1])
for i = 3, #ARGV do
  redis.call('SADD', KEYS[3], ARGV[i])
end
return {incarnation, now}
