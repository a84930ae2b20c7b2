--- @include close-attempt
--- @include line
--- @include end-task
--- @include mesh-event

-- Counts up in a task's hash, also where the field holds no number: HINCRBY would end the sweep that meets such a task,
-- and
-- with it the takeover of all others, again and again.
local function countUp(taskKey, field)
  local count = math.floor(tonumber(redis.call('HGET', taskKey, field) or '0') or 0) + 1
  redis.call('HSET', taskKey, field, string.format('%.0f', count))
  return count
end

-- Takes a task from active back to the head of its pool (among equals, if it has a priority), removes its lock, wakes a
-- waiting node, and puts the handover into the task's history and the handover log. The third time that one is lost
-- with its
-- node is an event of the mesh. One that has been lost more than `maxHandovers` times is given up instead: it may be
-- what
-- kills them. One that a node gives back by itself was not lost: `maxHandovers` is nil then. One that somebody has
-- cancelled
-- ends so. The caller has checked that the claim is orphaned. `holder`: whose claim it was, if the task's hash does not
-- tell.
local function requeueTask(mesh, pool, id, holder, reason, silentMs, now, maxHandovers)
  local taskKey = pool.tasks .. id
  if redis.call('LREM', pool.active, '-1', id) == 0 then
    return false
  end
  redis.call('DEL', taskKey .. ':lock')
  -- It was removed meanwhile, or is no task.
  if redis.call('TYPE', taskKey).ok ~= 'hash' then
    return false
  end
  local node, startedAt = closeAttempt(taskKey, 'handover', reason, now, math.floor(silentMs))
  local from = node or holder
  countUp(taskKey, 'cm:handovers')
  local lost = maxHandovers and countUp(taskKey, 'cm:lost') or 0
  redis.call('XADD', mesh.handovers, 'MAXLEN', '~', '10000', '*', 'at', string.format('%.0f', now), 'taskId', id,
    'pool', pool.name, 'from', from, 'reason', reason,
    'ranMs', string.format('%.0f', startedAt and math.max(0, now - startedAt) or 0), 'silentMs', string.format('%.0f', silentMs))

  local cancelled = redis.call('HGET', taskKey, 'cm:cancel')
  if cancelled then
    endTask(pool, id, {kind = 'cancelled', message = cancelled}, now, 'active')
  elseif maxHandovers and lost > maxHandovers then
    local message = 'lost with its node ' .. lost .. ' times, last with ' .. from .. ' (' .. reason .. ')'
    endTask(pool, id, {kind = 'handover_limit', message = message}, now, 'active')
    meshEvent(mesh, 'dead-letter', now, {'task', id, 'pool', pool.name, 'node', from, 'reason', message})
  else
    if lost == 3 then
      meshEvent(mesh, 'repeated-failover', now, {'task', id, 'pool', pool.name, 'node', from, 'reason', reason})
    end
    backInLine(pool, id, true, 'active')
  end
  return true
end
