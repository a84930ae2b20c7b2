--[[
  Gives up answers that no node has taken for too long: no node has their channel. Forgets an empty outbox.

  ARGV outbox   how long an answer may be due (ms)   why, for people   maximum number per call
  Result: number of answers that were given up
  Invariant: an outbox is on the list of outboxes while it has an entry.
]]
--- @include layout
--- @include now
--- @include mesh-event
--- @include outbox

local box, mostMs, reason, limit = unpack(ARGV)
local mesh, now = meshKeys(KEYS[1]), redisNow()
local outbox = mesh.outbox .. box

local expired = redis.call('ZRANGEBYSCORE', outbox, '-inf', now - tonumber(mostMs), 'LIMIT', 0, limit)
for _, member in ipairs(expired) do
  local poolName, id = string.match(member, '^(%S+) (%S+)$')
  local pool = poolName and poolKeys(mesh.prefix, poolName)
  if pool and redis.call('EXISTS', pool.tasks .. id) == 1 then
    endDelivery(mesh, pool, id, box, 'failed', reason, now)
    meshEvent(mesh, 'delivery-failed', now, {'task', id, 'pool', poolName, 'reason', reason})
  else
    redis.call('ZREM', outbox, member)
  end
end
if redis.call('EXISTS', outbox) == 0 then redis.call('SREM', mesh.outboxes, box) end
return #expired
