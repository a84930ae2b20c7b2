--- @include close-attempt

-- Takes a task from active back to the head of its pool (among equals, if it has a priority), removes its lock, wakes a
-- waiting node, and puts the handover into the task's history and the handover log. One that has been lost with its node
-- `maxHandovers` times is given up instead: it may be what kills them. The caller has checked that the claim is void.
-- keys: {active, wait, prioritized, marker, meta, events, handovers, failed}
local function requeueTask(keys, pool, taskId, jobKey, fallbackNode, reason, silentMs, now, maxHandovers)
  if redis.call('LREM', keys[1], -1, taskId) == 0 then
    return false
  end
  redis.call('DEL', jobKey .. ':lock')
  if redis.call('EXISTS', jobKey) == 0 then
    return false
  end
  local node, startedAt = closeAttempt(jobKey, 'handover', reason, now)
  local from = node or fallbackNode
  redis.call('HINCRBY', jobKey, 'cm:handovers', 1)
  -- A drain is nobody's fault and says nothing about the task.
  local lost = reason ~= 'drain' and redis.call('HINCRBY', jobKey, 'cm:lost', 1) or 0
  redis.call('XADD', keys[7], 'MAXLEN', '~', 10000, '*', 'at', string.format('%.0f', now), 'taskId', taskId,
    'pool', pool, 'from', from, 'reason', reason,
    'ranMs', string.format('%.0f', startedAt and (now - startedAt) or 0), 'silentMs', string.format('%.0f', silentMs))

  if lost > maxHandovers then
    local message = 'lost with its node ' .. lost .. ' times, last with ' .. from .. ' (' .. reason .. ')'
    redis.call('HSET', jobKey, 'finishedOn', now, 'failedReason', message, 'cm:error',
      cjson.encode({kind = 'handover_limit', message = message, retryable = false}))
    redis.call('ZADD', keys[8], now, taskId)
    redis.call('XADD', keys[6], 'MAXLEN', '~', 10000, '*', 'event', 'failed', 'jobId', taskId, 'failedReason', message,
      'prev', 'active')
    return true
  end

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
  return true
end
