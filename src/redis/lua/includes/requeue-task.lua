--- @include close-attempt
--- @include back-in-queue
--- @include end-task
--- @include mesh-event

-- Counts up in a task's hash, also where the field holds no number: HINCRBY would end the sweep that meets such a task, and
-- with it the takeover of all others, again and again.
local function countUp(jobKey, field)
  local count = math.floor(tonumber(redis.call('HGET', jobKey, field) or '0') or 0) + 1
  redis.call('HSET', jobKey, field, string.format('%.0f', count))
  return count
end

-- Takes a task from active back to the head of its pool (among equals, if it has a priority), removes its lock, wakes a
-- waiting node, and puts the handover into the task's history and the handover log. The third time that one is lost with its
-- node is an event of the mesh. One that has been lost more than `maxHandovers` times is given up instead: it may be what
-- kills them. One that a node gives back by itself was not lost: `maxHandovers` is nil then. One that somebody has cancelled
-- ends so. The caller has checked that the claim is void.
-- keys: {active, wait, prioritized, marker, meta, events, handovers, failed, cancelled, pc, events of the mesh}
local function requeueTask(keys, pool, taskId, jobKey, fallbackNode, reason, silentMs, now, maxHandovers)
  if redis.call('LREM', keys[1], -1, taskId) == 0 then
    return false
  end
  redis.call('DEL', jobKey .. ':lock')
  -- It was removed meanwhile, or is no task.
  if redis.call('TYPE', jobKey).ok ~= 'hash' then
    return false
  end
  local node, startedAt = closeAttempt(jobKey, 'handover', reason, now, math.floor(silentMs))
  local from = node or fallbackNode
  countUp(jobKey, 'cm:handovers')
  local lost = maxHandovers and countUp(jobKey, 'cm:lost') or 0
  redis.call('XADD', keys[7], 'MAXLEN', '~', 10000, '*', 'at', string.format('%.0f', now), 'taskId', taskId,
    'pool', pool, 'from', from, 'reason', reason,
    'ranMs', string.format('%.0f', startedAt and math.max(0, now - startedAt) or 0), 'silentMs', string.format('%.0f', silentMs))

  local cancelled = redis.call('HGET', jobKey, 'cm:cancel')
  if cancelled then
    endTask({keys[9], keys[6]}, taskId, jobKey, {kind = 'cancelled', message = cancelled}, now, 'active')
  elseif maxHandovers and lost > maxHandovers then
    local message = 'lost with its node ' .. lost .. ' times, last with ' .. from .. ' (' .. reason .. ')'
    endTask({keys[8], keys[6]}, taskId, jobKey, {kind = 'handover_limit', message = message}, now, 'active')
    meshEvent(keys[11], 'dead-letter', now, {'task', taskId, 'pool', pool, 'node', from, 'reason', message})
  else
    if lost == 3 then
      meshEvent(keys[11], 'repeated-failover', now, {'task', taskId, 'pool', pool, 'node', from, 'reason', reason})
    end
    backInQueue({keys[2], keys[3], keys[4], keys[5], keys[6], keys[10]}, taskId, jobKey, true, 'active')
  end
  return true
end
