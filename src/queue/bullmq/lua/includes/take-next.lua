--- @include line
--- @include next-due
--- @include limits
--- @include start-task

-- Puts due delayed tasks in line, at most a thousand at once. Returns when the next delayed task is due (ms), 0 if
-- there is none.
local function promoteDue(pool, now)
  local dueAt = nextDueAt(pool)
  if dueAt == 0 or dueAt >= now + 1 then return dueAt end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', pool.delayed, '0', (now + 1) * 0x1000 - 1, 'LIMIT', '0', '1000')) do
    redis.call('ZREM', pool.delayed, id)
    redis.call('HSET', pool.tasks .. id, 'delay', 0)
    backInLine(pool, id, false, 'delayed')
  end
  return nextDueAt(pool)
end

-- Makes the first task in line active; nil if none waits. BullMQ's own workers serve tasks with a priority last, so
-- that 1 is later than none. Here tasks without one are the lowest class, as people expect of a priority.
local function activateFirst(pool)
  local id = redis.call('ZPOPMIN', pool.prioritized)[1]
  if id then
    redis.call('LPUSH', pool.active, id)
    return id
  end
  id = redis.call('RPOPLPUSH', pool.wait, pool.active)
  if not id then redis.call('DEL', pool.priorityCounter) end
  return id or nil
end

-- Claims the next task of the pool. Returns {task id ('' for none), its hash as a flat list, how long the pool gives
-- no task (ms, 0: not known), when the next delayed task is due (ms, 0: there is none)}; 'again' if the task was held
-- for its session.
-- claim: see start-task.lua
local function takeNext(mesh, pool, claim, now)
  local dueAt = promoteDue(pool, now)
  local closed, limitedMs, rateMs = poolLimits(pool)
  if closed then return {'', {}, limitedMs, 0} end
  local id = activateFirst(pool)
  if not id then return {'', {}, 0, dueAt} end
  local fields = startTask(mesh, pool, id, claim, rateMs, now)
  return fields and {id, fields, 0, 0} or 'again'
end
