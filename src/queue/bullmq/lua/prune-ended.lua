--[[
  Looks through what is noted of failed tasks, that somebody has cancelled or seen them, and drops the tasks that are no failed
  ones any more: another program has queued them again, or removed them, with BullMQ.

  ARGV pool   'cancelled' or 'acknowledged'   first task to look at   tasks looked at

  Result: next task to look at, 0 when through
]]
--- @include layout
--- @include drop-strays

local poolName, noted, first, size = unpack(ARGV)
first, size = tonumber(first), tonumber(size)
local pool = poolKeys(KEYS[1], poolName)
local list = noted == 'cancelled' and pool.cancelled or pool.acknowledged

return dropStrays(list, pool.failed, first, size)
