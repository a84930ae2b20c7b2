--[[
  Removes ended tasks of one state that were kept long enough, or are too many; the oldest first, some per call.

  KEYS[1] completed, failed or cancelled (sorted set by end, ms)
  ARGV[1] prefix of task keys   ARGV[2] how long to keep them (ms)   ARGV[3] how many to keep   ARGV[4] at most so many
  ARGV[5] prefix of idempotency keys

  Result: how many were removed
  Invariant: an idempotency key is remembered for the whole time, also where its task is removed for being one too many.
]]
--- @include now
--- @include forget-task

local now = redisNow()
local keep = tonumber(ARGV[2])
local limit = tonumber(ARGV[4])
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - keep, 'WITHSCORES', 'LIMIT', 0, limit)
local excess = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
local removed = #old / 2
if excess > removed then
  old = redis.call('ZRANGE', KEYS[1], 0, math.min(excess, limit) - 1, 'WITHSCORES')
  removed = #old / 2
end
for i = 1, #old, 2 do
  forgetTask(old[i], ARGV[1] .. old[i], ARGV[5], math.floor(tonumber(old[i + 1]) + keep - now))
  redis.call('ZREM', KEYS[1], old[i])
end
return removed
