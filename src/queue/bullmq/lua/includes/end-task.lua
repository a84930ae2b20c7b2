--- @include pool-event
--- @include free-deduplication
--- @include outbox

-- Ends a task that no node runs as failed. For BullMQ, a cancelled task is a failed one, too. `err`: {kind, message}.
local function endTask(mesh, pool, id, err, now, from)
  local taskKey = pool.tasks .. id
  redis.call('HSET', taskKey, 'finishedOn', string.format('%.0f', now), 'failedReason', err.message, 'cm:error',
    cjson.encode({kind = err.kind, message = err.message, retryable = false}))
  redis.call('HDEL', taskKey, 'cm:held')
  redis.call('ZADD', pool.failed, now, id)
  if err.kind == 'cancelled' then redis.call('ZADD', pool.cancelled, now, id) end
  poolEvent(pool, 'failed', id, 'failedReason', err.message, 'prev', from)
  local fields = redis.call('HMGET', taskKey, 'deid', 'cm:box')
  local deduplicationId, box = fields[1], fields[2]
  if deduplicationId then freeDeduplication(pool, id, deduplicationId, now) end
  if box then queueDelivery(mesh, pool, id, box, now) end
end
