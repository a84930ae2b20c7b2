--- @include outbox

-- Removes everything about a task, its pending delivery included. Frees its idempotency key and its id in BullMQ's
-- deduplication. With `keyMs` > 0, the key is remembered for that long. The key has its own field, because the task
-- itself may be a mebibyte of JSON.
local function forgetTask(mesh, pool, id, keyMs)
  local taskKey = pool.tasks .. id
  local fields = redis.call('HMGET', taskKey, 'cm:key', 'deid', 'cm:box')
  local key, deduplicationId, box = fields[1], fields[2], fields[3]
  if box then dropDelivery(mesh, pool, id, box) end
  if key then
    local theirPool, owner = string.match(redis.call('GET', mesh.idempotency .. key) or '', '^(%S+) (%S+)')
    if owner == id and keyMs > 0 then
      redis.call('SET', mesh.idempotency .. key, theirPool .. ' ' .. owner .. ' ended', 'PX', keyMs)
    elseif owner == id then
      redis.call('DEL', mesh.idempotency .. key)
    end
  end
  if deduplicationId and redis.call('GET', pool.tasks .. 'de:' .. deduplicationId) == id then
    redis.call('DEL', pool.tasks .. 'de:' .. deduplicationId, pool.tasks .. 'dn:' .. deduplicationId)
  end
  -- The last four belong to BullMQ's flows.
  redis.call('DEL', taskKey, taskKey .. ':logs', taskKey .. ':lock', taskKey .. ':dependencies', taskKey .. ':processed',
    taskKey .. ':failed', taskKey .. ':unsuccessful')
end
