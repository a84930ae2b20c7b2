--- @include close-attempt

-- Moves a task from active back to the head of its pool (among equals, if it has a priority), takes its lock away, wakes
-- a waiting node, and puts the handover into the task's history and the handover log. The caller has checked that the
-- claim may be taken away.
-- keys: {active, wait, prioritized, marker, meta, events, handovers}
local function requeueTask(keys, pool, taskId, jobKey, fallbackNode, reason, silentMs, now)
  if redis.call('LREM', keys[1], -1, taskId) == 0 then
    return false
  end
  redis.call('DEL', jobKey .. ':lock')
  if redis.call('EXISTS', jobKey) == 0 then
    return false
  end
  local node, startedAt = closeAttempt(jobKey, 'handover', reason, now)
  redis.call('HINCRBY', jobKey, 'cm:handovers', 1)

  local priority = tonumber(redis.call('HGET', jobKey, 'priority') or '0') or 0
  if priority > 0 then
    -- BullMQ's score: priority in the upper bits, order of arrival in the lower 32; 0 is before all arrivals.
    redis.call('ZADD', keys[3], priority * 0x100000000, taskId)
  else
    redis.call('RPUSH', keys[2], taskId)
  end
  if redis.call('HEXISTS', keys[5], 'paused') == 0 then
    redis.call('ZADD', keys[4], 0, '0')
  end
  redis.call('XADD', keys[6], 'MAXLEN', '~', 10000, '*', 'event', 'waiting', 'jobId', taskId, 'prev', 'active')

  local ranMs = startedAt and (now - startedAt) or 0
  redis.call('XADD', keys[7], 'MAXLEN', '~', 10000, '*', 'at', string.format('%.0f', now), 'taskId', taskId,
    'pool', pool, 'from', node or fallbackNode, 'reason', reason, 'ranMs', string.format('%.0f', ranMs),
    'silentMs', silentMs)
  return true
end
