--- @include hold
--- @include forget-task

-- Removes a task that no node has started: not one that runs, has run, or waits for another attempt. Returns whether
-- it was removed.
local function removeUnbegun(mesh, pool, id)
  local fields = redis.call('HMGET', pool.tasks .. id, 'processedOn', 'cm:history')
  if fields[1] or string.find(fields[2] or '', '"event":"claimed"', 1, true) then return false end
  local found = redis.call('ZREM', pool.delayed, id) + redis.call('ZREM', pool.prioritized, id)
  if found == 0 then found = redis.call('LREM', pool.wait, -1, id) end
  if found == 0 then return false end
  dropHeld(mesh, pool, id)
  forgetTask(mesh, pool, id, 0)
  poolEvent(pool, 'removed', id, 'prev', 'waiting')
  return true
end
