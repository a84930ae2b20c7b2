--- @include release-task
--- @include end-task
--- @include mesh-event

-- The task's hash does not tell: BullMQ's own retry leaves the error of the last run in it.
local function hasFailed(mesh, poolName, id)
  local pool = poolKeys(mesh.prefix, poolName)
  return redis.call('ZSCORE', pool.failed, id)
end

-- Tasks of a pool that come after others. Each is released once those have completed, and fails once one of them has
-- failed or is gone.
-- Checks `most` tasks from `first` on. Returns the numbers of checked, released and failed tasks, and where to
-- continue, if there are more.
local function releaseAfter(mesh, pool, list, first, most, now)
  local released, failed, gone = 0, 0, 0
  local members = redis.call('ZRANGE', list, first, first + most - 1)
  for _, id in ipairs(members) do
    local task = redis.call('HMGET', pool.tasks .. id, 'timestamp', 'cm:after')
    local open, broken = false, not task[2] and 'the tasks that it waits for are no longer known' or nil
    for name in string.gmatch(task[2] or '', '%S+') do
      local itsPool, other = string.match(name, '^([^:]*):(.*)$')
      local state = redis.call('HMGET', mesh.prefix .. ':' .. name, 'timestamp', 'finishedOn')
      if not state[1] then
        broken = 'it waits for task ' .. other .. ', which was removed'
      elseif not state[2] then
        open = true
      elseif hasFailed(mesh, itsPool, other) then
        broken = 'it waits for task ' .. other .. ', which failed or was cancelled'
      end
    end
    if not task[1] then
      -- The task was removed in the meantime.
      redis.call('ZREM', list, id)
      gone = gone + 1
    elseif broken then
      if redis.call('ZREM', pool.delayed, id) > 0 then
        endTask(mesh, pool, id, {kind = 'invalid', message = broken}, now, 'delayed')
        meshEvent(mesh, 'dead-letter', now, {'task', id, 'pool', pool.name, 'reason', broken})
        failed = failed + 1
      end
      redis.call('ZREM', list, id)
      gone = gone + 1
    elseif not open then
      if releaseTask(pool, list, id, false) then released = released + 1 end
      gone = gone + 1
    end
  end
  return #members, released, failed, #members == most and first + most - gone or nil
end
