--[[
  Somebody declares a node dead by hand.

  KEYS[1] incarnations (hash)  KEYS[2] leases (sorted set)  KEYS[3] deaths (hash)  KEYS[4] presence (hash)
  KEYS[5] gone (hash)  KEYS[6] events (stream)
  ARGV[1] node id   ARGV[2] lease (ms)

  Result: the incarnation that was declared dead, 0 if there is no such node
]]
--- @include now
--- @include declare-dead

local incarnation = redis.call('HGET', KEYS[1], ARGV[1])
if not incarnation then
  return 0
end
local now = redisNow()
local leaseEnds = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or nil)
local lastSignAt = leaseEnds and math.min(now, leaseEnds - tonumber(ARGV[2])) or now
declareDead({unpack(KEYS, 1, 6)}, ARGV[1], incarnation, 'evicted', now, lastSignAt, nil)
return tonumber(incarnation)
