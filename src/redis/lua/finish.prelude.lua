--[[
  Runs in front of BullMQ's moveToFinished, in the same step: refuses a fenced incarnation, sets the time, and lets the
  task's idempotency key live on for as long as the ended task is kept.

  KEYS[12] task hash   KEYS[last - 1] idempotency key   KEYS[last] incarnations (hash)
  ARGV[last - 4] lock token of the next claim, if BullMQ is to fetch one (see fenced-scripts.ts)
  ARGV[last - 3] lock token   ARGV[last - 2] lifetime of the idempotency key (ms; 0: the task has none)
  ARGV[last - 1] node id   ARGV[last] incarnation     BullMQ's ARGV[2] is the time (ms)

  Result: -20 if fenced, else what BullMQ answers
]]
--- @include now
if redis.call('HGET', KEYS[#KEYS], ARGV[#ARGV - 1]) ~= ARGV[#ARGV] then
  return -20
end
if ARGV[#ARGV - 2] ~= '0' and redis.call('GET', KEYS[12] .. ':lock') == ARGV[#ARGV - 3] then
  redis.call('PEXPIRE', KEYS[#KEYS - 1], ARGV[#ARGV - 2])
end
ARGV[2] = string.format('%.0f', redisNow())
