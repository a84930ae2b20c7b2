--[[
  Runs in front of BullMQ's addJobScheduler, in the same step: queues the next task of a schedule, and stores the schedule,
  if that is still what the caller has read, and BullMQ has for it what the caller has seen.

  KEYS[1...11] as BullMQ has them: repeat, delayed, wait, paused, meta, prioritized, marker, id, events, pc, active
  KEYS[12] schedules (hash)   KEYS[13] pools (set)
  ARGV[1...6] as BullMQ has them: when the task is due (ms; not for an interval), options of the scheduler, the schedule's
  name, the task (JSON), options of the template and of the task (all three MessagePack)   ARGV[7] and ARGV[9] not used
  ARGV[8] prefix of task keys   ARGV[10] the schedule that the caller has read (JSON), '' if there must be none
  ARGV[11] the schedule to store (JSON)   ARGV[12] when the task before this one was due (ms), '' if there must be none
  ARGV[13] most schedules   ARGV[14] pool

  Result: -30 the schedule is not what was read, -31 there are too many, -32 another task is the next one by now, -33 BullMQ
  has a job scheduler of this name that is not ours, else what BullMQ answers: a negative code, or {id, delay (ms)}
  Invariant: what is stored has its next task; of a schedule that was removed, paused or changed meanwhile nothing is queued.
]]
--- @include now
local scheduler = KEYS[1] .. ':' .. ARGV[3]
if (redis.call('HGET', KEYS[12], ARGV[3]) or '') ~= ARGV[10] then
  return -30
end
if ARGV[10] == '' and redis.call('HLEN', KEYS[12]) >= tonumber(ARGV[13]) then
  return -31
end
if redis.call('EXISTS', scheduler) == 1 and redis.call('HEXISTS', scheduler, 'cm') == 0 then
  return -33
end
if (redis.call('ZSCORE', KEYS[1], ARGV[3]) or '') ~= ARGV[12] then
  return -32
end
ARGV[7], ARGV[9] = string.format('%.0f', redisNow()), ''
