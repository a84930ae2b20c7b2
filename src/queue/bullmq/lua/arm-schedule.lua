--[[
  Queues the next task of a schedule and stores the schedule, if the schedule and its next task are still as the
  caller has read them. Field `cm` distinguishes our job schedulers from those of other programs that use BullMQ.

  ARGV pool   name of the schedule   schedule as the caller has read it (JSON), '' if there must be none   schedule to
  store (JSON)   when the previous task was due (ms), '' if there must be none   maximum number of schedules   when
  the task is due (ms; for an interval its first task or a replaced one, '' for the next time of the interval)
  interval (ms; '' for a cron line)   cron line   time zone ('' for none)   the task (JSON)   BullMQ's options of each
  task (JSON)   the outbox for its answers ('' for none)   for an update, the pool of the schedule so far: its task is
  replaced, if no node has started it ('' otherwise)
  Result: 'armed'; 'changed' (the schedule is not as read); 'too-many'; 'other-next' (another task is the next one by
  now); 'foreign' (BullMQ has a job scheduler of this name that is not ours); 'taken' (there is a task at that time)
  Invariant: a stored schedule that is not paused has its next task. Nothing is queued for a schedule that was
  removed, paused or changed in the meantime.
]]
--- @include layout
--- @include now
--- @include new-task
--- @include remove-unbegun

local poolName, name, read, store, seenDue, most, dueAt, everyMs, cron, timezone, data, options, box,
  replaced = unpack(ARGV)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()
local from = replaced == '' and pool or poolKeys(KEYS[1], replaced)
dueAt, everyMs = tonumber(dueAt), tonumber(everyMs)
local scheduler = pool.schedulers .. ':' .. name
-- Maximum number of times of an interval to try, since an ended task that is still kept may occupy a time.
local TIMES_TRIED = 32

local function taskIdAt(time)
  return string.format('repeat:%s:%.0f', name, time)
end

-- The task that an update replaces is not in its own way.
local function isTaken(time)
  if replaced == poolName and time == tonumber(seenDue) then return false end
  return redis.call('EXISTS', pool.tasks .. taskIdAt(time)) == 1
end

-- The next time of an interval, as BullMQ computes it: at once or when the caller says, then one interval after the
-- other; after a pause, the next multiple of the interval.
local function nextOfInterval()
  local last = tonumber(seenDue)
  if not last or tonumber(redis.call('HGET', scheduler, 'every') or nil) ~= everyMs then
    return math.max(dueAt or now, now)
  end
  if last + everyMs >= now then
    return last + everyMs
  end
  return (math.floor(now / everyMs) + 1) * everyMs
end

if (redis.call('HGET', mesh.schedules, name) or '') ~= read then
  return 'changed'
end
if read == '' and redis.call('HLEN', mesh.schedules) >= tonumber(most) then
  return 'too-many'
end
if redis.call('EXISTS', scheduler) == 1 and redis.call('HEXISTS', scheduler, 'cm') == 0 then
  return 'foreign'
end
if (redis.call('ZSCORE', from.schedulers, name) or '') ~= seenDue then
  return 'other-next'
end
if everyMs then
  if replaced == '' or not dueAt then dueAt = nextOfInterval() end
  for _ = 1, TIMES_TRIED do
    if not isTaken(dueAt) then break end
    dueAt = dueAt + everyMs
  end
end
if isTaken(dueAt) then
  return 'taken'
end
if seenDue ~= '' and not (replaced ~= '' and removeUnbegun(mesh, from, taskIdAt(seenDue))) then
  -- A node has started it since the caller looked, so the next task is another one.
  if dueAt == tonumber(seenDue) then return 'other-next' end
  redis.call('HSET', mesh.scheduleLast, name, from.name .. ' ' .. seenDue)
end

local count = redis.call('HGET', from.schedulers .. ':' .. name, 'ic') or 1
redis.call('DEL', scheduler, from.schedulers .. ':' .. name)
redis.call('ZREM', from.schedulers, name)
redis.call('HSET', scheduler, 'name', 'task', 'opts', options, 'data', data, 'ic', count, 'cm', 1)
local rule = {count = 1}
if everyMs then
  rule.every = everyMs
  redis.call('HSET', scheduler, 'every', everyMs, 'offset', dueAt % everyMs)
else
  rule.pattern = cron
  redis.call('HSET', scheduler, 'pattern', cron, 'offset', 0)
  if timezone ~= '' then
    rule.tz = timezone
    redis.call('HSET', scheduler, 'tz', timezone)
  end
end
redis.call('ZADD', pool.schedulers, dueAt, name)
redis.call('HSET', mesh.schedules, name, store)
redis.call('SADD', mesh.pools, poolName)

local id, ofTask = taskIdAt(dueAt), cjson.decode(options)
local task = {data = data, delayMs = math.max(0, dueAt - now), priority = ofTask.priority or 0}
ofTask['repeat'], ofTask.jobId, ofTask.delay = rule, id, task.delayMs
task.options = cjson.encode(ofTask)
local more = {'rjk', name}
if box ~= '' then more[3], more[4] = 'cm:box', box end
storeTask(pool, id, task, now, more)
if placeTask(pool, id, task, now) then wakeNode(pool) end
return 'armed'
