--- @include free-deduplication

-- Ends a task that no node runs: failed or cancelled, with its error (a table of kind and message).
-- keys: {failed or cancelled, events}
local function endTask(keys, taskId, jobKey, err, now, from)
  redis.call('HSET', jobKey, 'finishedOn', string.format('%.0f', now), 'failedReason', err.message, 'cm:error',
    cjson.encode({kind = err.kind, message = err.message, retryable = false}))
  redis.call('HDEL', jobKey, 'cm:held')
  redis.call('ZADD', keys[1], now, taskId)
  redis.call('XADD', keys[2], 'MAXLEN', '~', 10000, '*', 'event', 'failed', 'jobId', taskId, 'failedReason',
    err.message, 'prev', from)
  freeDeduplication(taskId, jobKey, now)
end
