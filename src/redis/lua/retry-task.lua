--[[
  Somebody wants a failed or cancelled task to be tried again: it waits as if it were new, with as many attempts as it had
  at first. What it went through stays in its history. One that has not run yet waits for those
  that it comes after, as it did at first.

  KEYS[1] task hash  KEYS[2] failed  KEYS[3] cancelled
  KEYS[4] wait  KEYS[5] prioritized  KEYS[6] marker  KEYS[7] meta  KEYS[8] events  KEYS[9] pc
  KEYS[10] delayed  KEYS[11] set of what is held  KEYS[12] tasks of the pool that are held after others
  KEYS[13] acknowledged (sorted sets)
  ARGV[1] task id   ARGV[2] member of KEYS[11]   ARGV[3] score for delayed tasks that wait for no time
  ARGV[4] attempts that it had at first

  Result: 'gone', 'open' (it has not ended), 'completed', or 'waiting' once it's done
  Invariant: a task never runs before those that it comes after have completed.
]]
--- @include now
--- @include back-in-queue
--- @include add-history

if redis.call('EXISTS', KEYS[1]) == 0 then
  return 'gone'
end
local state = redis.call('ZREM', KEYS[2], ARGV[1]) > 0 and 'failed'
  or (redis.call('ZREM', KEYS[3], ARGV[1]) > 0 and 'cancelled')
if not state then
  return redis.call('HEXISTS', KEYS[1], 'finishedOn') == 1 and 'completed' or 'open'
end
local fields = redis.call('HMGET', KEYS[1], 'processedOn', 'pb', 'atm', 'cm:history', 'finishedOn', 'failedReason')
local startedAt = tonumber(fields[1] or nil)
local node = fields[2] or nil
local made = tonumber(fields[3] or '0') or 0
local history = fields[4] or ''
-- A task that never ran is not retried but queued once more; starts = 1 + handovers + retries stays true.
local ran = startedAt or string.find(history, '"event":"claimed"', 1, true)
local entries = {
  {at = tonumber(fields[5]), event = state, node = node, attempt = made, reason = fields[6] or nil},
  {at = redisNow(), event = ran and 'retry' or 'enqueued', attempt = made + 1, reason = 'by hand'},
}
if startedAt then
  table.insert(entries, 1, {at = startedAt, event = 'claimed', node = node, attempt = made})
end
redis.call('HDEL', KEYS[1], 'finishedOn', 'failedReason', 'cm:error', 'processedOn', 'pb', 'progress', 'cm:cancel',
  'cm:lost', 'cm:acknowledged', 'stacktrace')
redis.call('ZREM', KEYS[13], ARGV[1])
redis.call('HSET', KEYS[1], 'cm:history', addHistory(history, entries), 'cm:max', made + tonumber(ARGV[4]), 'delay', 0)
-- Once it has run, those before it had completed.
local before = not ran and redis.call('HGET', KEYS[1], 'cm:after') or ''
if before ~= '' then
  redis.call('HSET', KEYS[1], 'cm:held', 'after')
  redis.call('ZADD', KEYS[10], ARGV[3], ARGV[1])
  redis.call('ZADD', KEYS[12], string.format('%.0f', redisNow()), ARGV[1])
  redis.call('SADD', KEYS[11], ARGV[2])
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', 10000, '*', 'event', 'delayed', 'jobId', ARGV[1], 'delay', ARGV[3])
  return 'waiting'
end
backInQueue({KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]}, ARGV[1], KEYS[1], false, state)
return 'waiting'
