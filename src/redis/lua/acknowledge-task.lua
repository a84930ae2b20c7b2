--[[
  An operator has seen that a task failed, and wants to hear no more of it. It stays as it is, and counts as acknowledged until
  it is queued again, removed or expires.

  KEYS[1] task hash  KEYS[2] failed  KEYS[3] acknowledged (sorted sets)
  ARGV[1] task id

  Result: 'gone', 'other' (it has not failed), or 'acknowledged'; nothing is changed where it was acknowledged before
  Invariant: a task that fails after that is not acknowledged, whoever queued it again: its time is later.
]]
--- @include now

if redis.call('EXISTS', KEYS[1]) == 0 then
  return 'gone'
end
local failedAt = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not failedAt then
  return 'other'
end
local seenAt = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not seenAt or tonumber(seenAt) < tonumber(failedAt) then
  local now = string.format('%.0f', redisNow())
  redis.call('ZADD', KEYS[3], now, ARGV[1])
  redis.call('HSET', KEYS[1], 'cm:acknowledged', now)
end
return 'acknowledged'
