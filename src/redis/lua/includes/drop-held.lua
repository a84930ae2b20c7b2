-- Takes a task off the list of what holds it back, if anything does.
local function dropHeld(taskId, jobKey)
  local why = redis.call('HGET', jobKey, 'cm:held')
  if not why then return end
  local mesh, pool = string.match(jobKey, '^({[^}]*}):([^:]*):')
  local member = pool .. ' ' .. why
  redis.call('ZREM', mesh .. '/held:' .. member, taskId)
  if redis.call('EXISTS', mesh .. '/held:' .. member) == 0 then
    redis.call('SREM', mesh .. '/held', member)
  end
end
