--[[
  Runs in front of BullMQ's moveToActive, in the same step: refuses a fenced incarnation, and one that does not
  know the newest state of the circuits; replaces the caller's clock by Redis time, so that a Mac with a wrong clock neither
  starts delayed tasks early nor writes wrong times.

  KEYS[last - 1] version of the circuits   KEYS[last] incarnations (hash)
  ARGV[last - 2] known version   ARGV[last - 1] node id   ARGV[last] incarnation     BullMQ's ARGV[2] is the time (ms)

  Result: -20 if fenced, -21 if the circuits have changed, else what BullMQ answers
]]
--- @include now
if redis.call('HGET', KEYS[#KEYS], ARGV[#ARGV - 1]) ~= ARGV[#ARGV] then
  return -20
end
if (redis.call('GET', KEYS[#KEYS - 1]) or '0') ~= ARGV[#ARGV - 2] then
  return -21
end
ARGV[2] = string.format('%.0f', redisNow())
