--- @include pool-event
--- @include line
--- @include delay

-- Stores a new task as BullMQ stores a job. `more`: further fields of its hash and their values.
local function storeTask(pool, id, task, now, more)
  redis.call('HSET', pool.tasks .. id, 'name', 'task', 'data', task.data, 'opts', task.options,
    'timestamp', string.format('%.0f', now), 'delay', task.delayMs, 'priority', task.priority, unpack(more))
  poolEvent(pool, 'added', id, 'name', 'task')
end

-- A new task waits for its time, or stands in line. Returns whether it does the latter, so that a node is to be woken.
local function placeTask(pool, id, task, now)
  if task.delayMs > 0 then
    delayTask(pool, id, now + task.delayMs)
    return false
  end
  standInLine(pool, id, task.priority, false)
  poolEvent(pool, 'waiting', id)
  return true
end
