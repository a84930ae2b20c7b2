--[[
  An operator has seen that a task failed, and wants to hear no more of it. It stays as it is, and counts as acknowledged until
  it is queued again, removed or expires.

  ARGV pool   task id

  Result: 'gone', 'other' (it has not failed), or 'acknowledged'; nothing is changed where it was acknowledged before
  Invariant: a task that fails after that is not acknowledged, whoever queued it again: its time is later.
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
