--[[
  Looks through what is noted of failed tasks, that somebody has cancelled or seen them, and drops the tasks that are no failed
  ones any more: another program has queued them again, or removed them, with BullMQ.

  ARGV pool   'cancelled' or 'acknowledged'   first task to look at   tasks looked at

  Result: next task to look at, 0 when through
]]
--- @include layout

local poolName, noted, first, size = unpack(ARGV)
first, size = tonumber(first), tonumber(size)
local pool = poolKeys(KEYS[1], poolName)
local list = noted == 'cancelled' and pool.cancelled or pool.acknowledged

local ids = redis.call('ZRANGE', list, first, first + size - 1)
local dropped = 0
for _, id in ipairs(ids) do
  if not redis.call('ZSCORE', pool.failed, id) then
    dropped = dropped + redis.call('ZREM', list, id)
  end
end
return #ids == size and first + size - dropped or 0
