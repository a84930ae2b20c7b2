--- @include pool-event
--- @include line
--- @include delay

-- Stores a new task as BullMQ stores a job. `more`: further fields and values of its hash.
local function storeTask(pool, id, task, now, more)
  redis.call('HSET', pool.tasks .. id, 'name', 'task', 'data', task.data, 'opts', task.options,
    'timestamp', string.format('%.0f', now), 'delay', task.delayMs, 'priority', task.priority, unpack(more))
  poolEvent(pool, 'added', id, 'name', 'task')
end

-- Delays a new task, or puts it in line. Returns whether it is in line, so that a node must be woken.
local function placeTask(pool, id, task, now)
  if task.delayMs > 0 then
    delayTask(pool, id, now + task.delayMs)
    return false
  end
  standInLine(pool, id, task.priority, false)
  poolEvent(pool, 'waiting', id)
  return true
end
