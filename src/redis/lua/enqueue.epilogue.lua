--[[
  Puts tasks into a pool's queue, in their order. Runs behind BullMQ's addStandardJob, addPrioritizedJob and addDelayedJob,
  which stand in front of it as functions of their keys, their arguments, these unpacked, and the options of the job. One
  that is there already, by its id, is left as it is.

  KEYS[1] the pool's list `wait`
  ARGV[1] time until which BullMQ delays what waits for something else (ms)   ARGV[2] the trace that they are queued in, or ''
  ARGV[3...] of each task: its id, its data (JSON), attempts, priority, delay (ms; '' for none), why it is held ('' if not)

  Result: nothing
  Invariant: a held task is on the list of what holds it from the step on in which it is queued.
]]
--- @include now
--- @include own-keys
local pool = string.sub(base, #mesh + 2, -2)
local now = redisNow()
local timestamp, trace = string.format('%.0f', now), ARGV[2] ~= '' and ARGV[2] or nil
local id, completed, marker = base .. 'id', base .. 'completed', base .. 'marker'
local active, events, delayed, meta = KEYS[2], KEYS[4], KEYS[7], KEYS[9]
local standardKeys = {KEYS[1], KEYS[8], meta, id, completed, delayed, active, events, marker}
local prioritizedKeys = {marker, meta, id, KEYS[3], delayed, completed, active, events, KEYS[10]}
local delayedKeys = {marker, meta, id, delayed, completed, events}
redis.call('SADD', mesh .. '/pools', pool)
for i = 3, #ARGV, 6 do
  local task, priority, delay, why = ARGV[i], tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), ARGV[i + 5]
  if why ~= '' then
    delay = tonumber(ARGV[1]) - now
    if redis.call('EXISTS', base .. task) == 0 then
      redis.call('SADD', mesh .. '/held', pool .. ' ' .. why)
      redis.call('ZADD', mesh .. '/held:' .. pool .. ' ' .. why, timestamp, task)
    end
  end
  local job = {'', ARGV[i + 1]}
  local names = {base, task, 'task', timestamp}
  local options = {attempts = tonumber(ARGV[i + 2]), tm = trace, delay = delay, priority = priority > 0 and priority or nil}
  if delay then
    addDelayedJob(delayedKeys, job, names, options)
  elseif priority > 0 then
    addPrioritizedJob(prioritizedKeys, job, names, options)
  else
    addStandardJob(standardKeys, job, names, options)
  end
end
