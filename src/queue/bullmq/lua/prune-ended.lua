--[[
  Checks the records of cancelled or acknowledged tasks, and drops tasks that are no longer failed: another program
  has queued them again or removed them with BullMQ.

  ARGV pool   'cancelled' or 'acknowledged'   first task to check   number of tasks to check
  Result: next task to check, 0 at the end
]]
--- @include layout
--- @include drop-strays

local poolName, noted, first, size = unpack(ARGV)
first, size = tonumber(first), tonumber(size)
local pool = poolKeys(KEYS[1], poolName)
local list = noted == 'cancelled' and pool.cancelled or pool.acknowledged

return dropStrays(list, pool.failed, first, size)
