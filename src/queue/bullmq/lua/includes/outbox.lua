--- @include count-up

-- The answer of an ended task waits in the outbox of its channel until a node has sent it: a sorted set of
-- '<pool> <task id>' by the time of the next try. The task's hash has the state of the delivery (`cm:delivery`:
-- 'pending', 'sending', 'delivered' or 'failed'), when it began or ended (`cm:deliveryAt`), and its number (`cm:ends`),
-- which makes its idempotency key unique.

local function clearDelivery(taskKey)
  redis.call('HDEL', taskKey, 'cm:delivery', 'cm:deliveryBy', 'cm:deliveryAt', 'cm:deliveryTries', 'cm:deliveryReason')
end

-- Begins the delivery of an answer, and wakes the nodes that have the channel.
local function queueDelivery(mesh, pool, id, box, now)
  local taskKey = pool.tasks .. id
  clearDelivery(taskKey)
  countUp(taskKey, 'cm:ends')
  redis.call('HSET', taskKey, 'cm:delivery', 'pending', 'cm:deliveryAt', string.format('%.0f', now))
  redis.call('ZADD', mesh.outbox .. box, now, pool.name .. ' ' .. id)
  redis.call('SADD', mesh.outboxes, box)
  redis.call('PUBLISH', mesh.channel, 'deliver ' .. box)
end

-- Forgets the delivery of an answer, whatever its state.
local function dropDelivery(mesh, pool, id, box)
  redis.call('ZREM', mesh.outbox .. box, pool.name .. ' ' .. id)
  clearDelivery(pool.tasks .. id)
end

-- Ends a delivery: 'delivered', or 'failed' with the reason ('' for none).
local function endDelivery(mesh, pool, id, box, state, reason, now)
  local taskKey = pool.tasks .. id
  redis.call('ZREM', mesh.outbox .. box, pool.name .. ' ' .. id)
  redis.call('HDEL', taskKey, 'cm:deliveryBy', 'cm:deliveryReason')
  redis.call('HSET', taskKey, 'cm:delivery', state, 'cm:deliveryAt', string.format('%.0f', now))
  if reason ~= '' then redis.call('HSET', taskKey, 'cm:deliveryReason', reason) end
end
