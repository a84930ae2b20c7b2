--[[
  Sends the answer of an ended task (again), on request of an operator. A pending delivery is tried at once. Any other
  starts again with a number of its own, so that the gateway does not take it for a repetition.

  ARGV pool   task id
  Result: 'gone', 'open' (the task has not ended), 'none' (it has no recipient), or 'pending'
]]
--- @include layout
--- @include now
--- @include outbox

local poolName, id = unpack(ARGV)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()

local fields = redis.call('HMGET', pool.tasks .. id, 'timestamp', 'finishedOn', 'cm:box', 'cm:delivery')
local exists, endedAt, box, state = fields[1], fields[2], fields[3], fields[4]
if not exists then
  return 'gone'
end
if not endedAt then
  return 'open'
end
if not box then
  return 'none'
end
if state == 'pending' then
  redis.call('ZADD', mesh.outbox .. box, now, pool.name .. ' ' .. id)
  redis.call('PUBLISH', mesh.channel, 'deliver ' .. box)
elseif state ~= 'sending' then
  queueDelivery(mesh, pool, id, box, now)
end
return 'pending'
