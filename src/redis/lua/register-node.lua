--[[
  A daemon starts: gives it the node's next incarnation, which fences the one before, and a lease to begin with. What the
  one before still holds can be put back by anybody at once, or is held for the new one to take up again.

  KEYS[1] incarnations (hash)  KEYS[2] leases (sorted set)  KEYS[3] deaths (hash)  KEYS[4] presence (hash)
  KEYS[5] gone (hash)  KEYS[6] events (stream)  KEYS[7] pools (set)  KEYS[8] what each node serves (hash)
  ARGV[1] node id   ARGV[2] lease (ms)   ARGV[3] how long to hold the former life's tasks (ms; 0: not)
  ARGV[4] the incarnation that the caller knows to be gone, 0 if there was none; '' replaces any
  ARGV[5...] pools the node serves

  Result: {incarnation, Redis time (ms)}; incarnation 0 where another one than the caller knows is there by now
  Invariant: incarnations of a node only grow, so no two lives of it ever hold the same one. Of two daemons that start at
  the same moment one is refused.
]]
--- @include now
--- @include declare-dead

local now = redisNow()
local former = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[4] ~= '' and (former or '0') ~= ARGV[4] then
  return {0, now}
end
local lease = tonumber(ARGV[2])
local hold = tonumber(ARGV[3])
if former then
  local leaseEnds = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or nil)
  local lastSignAt = leaseEnds and math.min(now, leaseEnds - lease) or now
  declareDead({unpack(KEYS, 1, 6)}, ARGV[1], former, 'crash', now, lastSignAt,
    hold > 0 and now + hold or nil)
else
  -- Above those of all nodes that were forgotten: it may have been one of them.
  redis.call('HSET', KEYS[1], ARGV[1], tonumber(redis.call('HGET', KEYS[1], '') or '0') + 1)
end
redis.call('ZADD', KEYS[2], now + lease, ARGV[1])
for i = 5, #ARGV do
  redis.call('SADD', KEYS[7], ARGV[i])
end
redis.call('HSET', KEYS[8], ARGV[1], table.concat({unpack(ARGV, 5)}, ' '))
local incarnation = redis.call('HGET', KEYS[1], ARGV[1])
meshEvent(KEYS[6], 'node-up', now, {'node', ARGV[1], 'incarnation', incarnation})
return {tonumber(incarnation), now}
