--[[
  Runs in front of BullMQ's moveToActive, in the same step: refuses a fenced incarnation, one that does not know the newest
  state of the circuits, and one that the strategy gives no task; replaces the caller's clock by Redis time, so that a
  Mac with a wrong clock neither starts delayed tasks early nor writes wrong times.

  KEYS[12...] and ARGV[4...]: see includes/asking.lua     BullMQ's ARGV[2] is the time (ms)

  Result: -20 if fenced, -21 if the circuits have changed, -22 if the strategy gives the task to another node, else what
  BullMQ answers, or {'again'} where the task has been held for its session
]]
--- @include now
--- @include asking

local mesh = asking({unpack(KEYS, 12)}, {unpack(ARGV, 4)})
if mesh.fenced() then
  return -20
end
if mesh.circuitsChanged() then
  return -21
end
local now = redisNow()
ARGV[2] = string.format('%.0f', now)
if not mesh.mayTake({KEYS[1], KEYS[3], KEYS[7], KEYS[9]}, now) then
  return -22
end
