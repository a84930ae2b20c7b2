--[[
  Runs in front of BullMQ's moveToActive, in the same step: refuses a fenced incarnation, and replaces the caller's
  clock by Redis time, so that a Mac with a wrong clock neither starts delayed tasks early nor writes wrong times.

  KEYS[last] incarnations (hash)
  ARGV[last - 1] node id   ARGV[last] incarnation     BullMQ's ARGV[2] is the time (ms)

  Result: -20 if fenced, else what BullMQ answers
]]
--- @include now
if redis.call('HGET', KEYS[#KEYS], ARGV[#ARGV - 1]) ~= ARGV[#ARGV] then
  return -20
end
ARGV[2] = string.format('%.0f', redisNow())
