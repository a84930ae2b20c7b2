--- @include drop-held
--- @include forget-task

-- Removes a task that no node has begun: not one that runs, has run, or waits for another attempt. `prefix`: of the pool's
-- keys. Returns whether it was removed.
local function removeUnbegun(prefix, id)
  local jobKey = prefix .. id
  local fields = redis.call('HMGET', jobKey, 'processedOn', 'cm:history')
  if fields[1] or string.find(fields[2] or '', '"event":"claimed"', 1, true) then return false end
  local found = redis.call('ZREM', prefix .. 'delayed', id) + redis.call('ZREM', prefix .. 'prioritized', id)
  if found == 0 then found = redis.call('LREM', prefix .. 'wait', -1, id) end
  if found == 0 then return false end
  dropHeld(id, jobKey)
  forgetTask(id, jobKey, string.match(prefix, '^{[^}]*}') .. '/key:', 0)
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', 10000, '*', 'event', 'removed', 'jobId', id, 'prev', 'waiting')
  return true
end
