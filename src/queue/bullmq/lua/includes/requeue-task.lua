--- @include close-attempt
--- @include line
--- @include end-task
--- @include mesh-event
--- @include count-up

-- Requeues an active task at the head of its pool (of its own priority, if it has one), removes its lock, and wakes a
-- waiting node. Records the handover in the task's history and in the handover log.
-- The third loss of a task with its node is an event of the mesh. A task that was lost more than `maxHandovers` times
-- fails instead, because it may be what kills the nodes. A task that a node releases itself is not lost; then
-- `maxHandovers` is nil. A cancelled task ends as cancelled.
-- The caller has checked that the claim is orphaned, or is the caller's own. `holder`: the owner of the claim, if the
-- task's hash does not name it.
local function requeueTask(mesh, pool, id, holder, reason, silentMs, now, maxHandovers)
  local taskKey = pool.tasks .. id
  if redis.call('LREM', pool.active, '-1', id) == 0 then
    return false
  end
  redis.call('DEL', taskKey .. ':lock')
  -- The task was removed in the meantime, or is not a task.
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
    endTask(mesh, pool, id, {kind = 'cancelled', message = cancelled}, now, 'active')
  elseif maxHandovers and lost > maxHandovers then
    local message = 'lost with its node ' .. lost .. ' times, last with ' .. from .. ' (' .. reason .. ')'
    endTask(mesh, pool, id, {kind = 'handover_limit', message = message}, now, 'active')
    meshEvent(mesh, 'dead-letter', now, {'task', id, 'pool', pool.name, 'node', from, 'reason', message})
  else
    if lost == 3 then
      meshEvent(mesh, 'repeated-failover', now, {'task', id, 'pool', pool.name, 'node', from, 'reason', reason})
    end
    backInLine(pool, id, true, 'active')
  end
  return true
end
