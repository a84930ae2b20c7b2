--[[
  An operator acknowledges that a task failed. The task stays as it is, and counts as acknowledged until it is queued
  again, is removed or expires.

  ARGV pool   task id
  Result: 'gone', 'other' (it has not failed), or 'acknowledged'; nothing changes if it was already acknowledged
  Invariant: a task that fails later is not acknowledged, even if another program has queued it again: the time of
  that failure is later.
]]
--- @include layout
--- @include now

local poolName, id = unpack(ARGV)
local pool = poolKeys(KEYS[1], poolName)

if redis.call('EXISTS', pool.tasks .. id) == 0 then
  return 'gone'
end
local failedAt = redis.call('ZSCORE', pool.failed, id)
if not failedAt or redis.call('ZSCORE', pool.cancelled, id) then
  return 'other'
end
local seenAt = redis.call('ZSCORE', pool.acknowledged, id)
if not seenAt or tonumber(seenAt) < tonumber(failedAt) then
  local now = string.format('%.0f', redisNow())
  redis.call('ZADD', pool.acknowledged, now, id)
  redis.call('HSET', pool.tasks .. id, 'cm:acknowledged', now)
end
return 'acknowledged'
