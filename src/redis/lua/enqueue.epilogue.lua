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
local base = string.sub(KEYS[1], 1, -5) -- '{…}:<pool>:'
local mesh, pool = string.match(base, '^({[^}]*}):(.*):$')
local now = redisNow()
local timestamp, trace = string.format('%.0f', now), ARGV[2] ~= '' and ARGV[2] or nil
local id, meta, marker, events = base .. 'id', base .. 'meta', base .. 'marker', base .. 'events'
local completed, delayed, active = base .. 'completed', base .. 'delayed', base .. 'active'
local standardKeys = {KEYS[1], base .. 'paused', meta, id, completed, delayed, active, events, marker}
local prioritizedKeys = {marker, meta, id, base .. 'prioritized', delayed, completed, active, events, base .. 'pc'}
local delayedKeys = {marker, meta, id, delayed, completed, events}
redis.call('SADD', mesh .. '/pools', pool)
for i = 3, #ARGV, 6 do
  local task, priority, delay, why = ARGV[i], tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), ARGV[i + 5]
  if why ~= '' and redis.call('EXISTS', base .. task) == 0 then
    redis.call('SADD', mesh .. '/held', pool .. ' ' .. why)
    redis.call('ZADD', mesh .. '/held:' .. pool .. ' ' .. why, timestamp, task)
  end
  if why ~= '' then delay = tonumber(ARGV[1]) - now end
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
