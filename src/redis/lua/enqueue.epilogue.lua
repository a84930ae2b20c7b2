--[[
  Puts tasks into a pool's queue, in their order. Runs behind BullMQ's addStandardJob, addPrioritizedJob and addDelayedJob,
  which stand in front of it as functions of their keys, their arguments, these unpacked, and the options of the job. One
  that is there already, by its id, is left as it is.

  KEYS[1] the pool's list `wait`
  ARGV[1] time until which BullMQ delays what waits for something else (ms)   ARGV[2] the trace that they are queued in, or ''
  ARGV[3...] of each task: its id, its data (JSON), attempts, priority, delay (ms; '' for none), why it is held ('' if not),
  the tasks it comes after ('<pool>:<id> ...'; '' for none), its idempotency key ('' for none), its session ('<agent>|<session>';
  '' for none), what it needs of a node (see `needsOf` in domain/target.ts). What scripts look at stands in fields of its own:
  none of them reads the task itself, for two parsers of JSON may see different things in one text

  Result: for each task with a key, '' where it is queued now, else whose the key is: '<pool> <id>', ' ended' behind it where
  that one is gone
  Invariant: a held task is on the list of what holds it from the step on in which it is queued. A key and its task come
  in one step, so that there is no key without a task; one whose task has vanished is given away again.
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

-- Whose the key is; nil where that is nobody, or this task.
local function keyOwner(name, own)
  local owner = redis.call('GET', name)
  if owner and owner ~= own then
    local theirPool, task, ended = string.match(owner, '^(%S+) (%S+)(.*)$')
    if task and (ended ~= '' or redis.call('EXISTS', mesh .. ':' .. theirPool .. ':' .. task) == 1) then
      return owner
    end
  end
end

redis.call('SADD', mesh .. '/pools', pool)
local answers = {}
for i = 3, #ARGV, 10 do
  local task, priority, delay, why = ARGV[i], tonumber(ARGV[i + 3]), tonumber(ARGV[i + 4]), ARGV[i + 5]
  local after, key, session = ARGV[i + 6], ARGV[i + 7], ARGV[i + 8]
  local keyName, own = mesh .. '/key:' .. key, pool .. ' ' .. task
  local owner = key ~= '' and keyOwner(keyName, own) or nil
  if key ~= '' then
    answers[#answers + 1] = owner or ''
  end
  if not owner then
    local isNew = (why ~= '' or key ~= '') and redis.call('EXISTS', base .. task) == 0
    if why ~= '' then
      delay = tonumber(ARGV[1]) - now
      if isNew then
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
    if key ~= '' then
      redis.call('HSET', base .. task, 'cm:key', key)
      redis.call('SET', keyName, own)
    end
    if session ~= '' then
      redis.call('HSET', base .. task, 'cm:session', session, 'cm:needs', ARGV[i + 9])
    end
    if isNew and why ~= '' then
      redis.call('HSET', base .. task, 'cm:held', why)
    end
    if isNew and after ~= '' then
      redis.call('HSET', base .. task, 'cm:after', after)
    end
  end
end
return answers
