--[[
  A node reports how its try to send an answer ended.

  ARGV node id   incarnation   pool   task id   outbox   token of the try   'delivered', 'postponed', 'uncertain' or
  'failed'   reason ('' for none)   for a postponed one, the time until the next try; for an uncertain one, how long the
  node keeps it (ms)   '1' if the next try needs another idempotency key
  Result: 'fenced'; 'lost' (another node has taken it over, or the task was queued again or removed); or 'done'
  Invariant: only the node that has the reservation changes the delivery.
]]
--- @include layout
--- @include now
--- @include fence
--- @include mesh-event
--- @include outbox

local node, incarnation, poolName, id, box, token, outcome, reason, pauseMs, newKey = unpack(ARGV)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()
local taskKey = pool.tasks .. id

if isFenced(mesh, node, incarnation) then
  return 'fenced'
end
if redis.call('HGET', taskKey, 'cm:deliveryBy') ~= token then
  return 'lost'
end
if outcome == 'postponed' then
  countUp(taskKey, 'cm:deliveryTries')
  if newKey == '1' then countUp(taskKey, 'cm:ends') end
  redis.call('HDEL', taskKey, 'cm:deliveryBy')
  redis.call('HSET', taskKey, 'cm:delivery', 'pending', 'cm:deliveryReason', reason)
  redis.call('ZADD', mesh.outbox .. box, now + tonumber(pauseMs), pool.name .. ' ' .. id)
  return 'done'
end
if outcome == 'uncertain' then
  -- The message may have been sent. Only this node's gateway would recognize it.
  countUp(taskKey, 'cm:deliveryTries')
  redis.call('HSET', taskKey, 'cm:deliveryReason', reason)
  redis.call('ZADD', mesh.outbox .. box, now + tonumber(pauseMs), pool.name .. ' ' .. id)
  return 'done'
end
endDelivery(mesh, pool, id, box, outcome, reason, now)
if outcome == 'failed' then
  meshEvent(mesh, 'delivery-failed', now, {'task', id, 'pool', pool.name, 'reason', reason})
end
return 'done'
