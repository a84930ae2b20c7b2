--[[
  Removes ended tasks of one state that were kept long enough, or are too many; the oldest first, some per call.

  KEYS[1] completed, failed or cancelled (sorted set by end, ms)   KEYS[2] acknowledged, for failed (sorted set by when, ms)
  ARGV[1] prefix of task keys   ARGV[2] how long to keep them (ms)   ARGV[3] how many to keep   ARGV[4] at most so many
  ARGV[5] at most so many bytes, unless it is a single task   ARGV[6] prefix of idempotency keys

  Result: how many were removed
  Invariant: an idempotency key is remembered for the whole time, also where its task is removed for being one too many.
  The work of a call is bounded: nothing of a task is read or decoded, and memory is given back by the mebibyte.
]]
--- @include now
--- @include forget-task

-- What a log line counts, bytes; more than most are long.
local LINE_BYTES = 500

local now = redisNow()
local keep = tonumber(ARGV[2])
local limit = tonumber(ARGV[4])
local bytesLeft = tonumber(ARGV[5])
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - keep, 'WITHSCORES', 'LIMIT', 0, limit)
local excess = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[3])
if excess > #old / 2 then
  old = redis.call('ZRANGE', KEYS[1], 0, math.min(excess, limit) - 1, 'WITHSCORES')
end
local removed = 0
for i = 1, #old, 2 do
  local jobKey = ARGV[1] .. old[i]
  bytesLeft = bytesLeft - redis.call('HSTRLEN', jobKey, 'data') - redis.call('HSTRLEN', jobKey, 'returnvalue')
    - LINE_BYTES * redis.call('LLEN', jobKey .. ':logs')
  if bytesLeft < 0 and removed > 0 then
    return removed
  end
  forgetTask(old[i], jobKey, ARGV[6], math.floor(tonumber(old[i + 1]) + keep - now))
  redis.call('ZREM', KEYS[1], old[i])
  if KEYS[2] then redis.call('ZREM', KEYS[2], old[i]) end
  removed = removed + 1
end
return removed
