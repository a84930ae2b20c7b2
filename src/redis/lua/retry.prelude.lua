--[[
  Runs in front of BullMQ's moveToDelayed, in the same step: refuses a fenced incarnation, sets the time, and writes the
  failed attempt into the task's history.

  KEYS[5] task hash   KEYS[last] incarnations (hash)
  ARGV[4] lock token   ARGV[last - 2] why the attempt failed   ARGV[last - 1] node id   ARGV[last] incarnation
  BullMQ's ARGV[2] is the time (ms)

  Result: -20 if fenced, else what BullMQ answers
]]
--- @include now
--- @include close-attempt
if redis.call('HGET', KEYS[#KEYS], ARGV[#ARGV - 1]) ~= ARGV[#ARGV] then
  return -20
end
ARGV[2] = string.format('%.0f', redisNow())
if redis.call('GET', KEYS[5] .. ':lock') == ARGV[4] then
  closeAttempt(KEYS[5], 'retry', ARGV[#ARGV - 2], tonumber(ARGV[2]))
end
