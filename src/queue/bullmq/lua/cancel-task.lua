--[[
  Cancels a task on request. A task that is not running ends at once. A running task is marked; it ends when its node
  has stopped the run, or when its claim is found orphaned.

  ARGV pool   task id   why, for people
  Result: 'gone', 'ended', 'cancelled', or the lock token of the claim that runs it ('' if the claim has lapsed)
  Invariant: a task ends once; of a cancellation and a report, the first one in Redis wins.
]]
--- @include layout
--- @include now
--- @include hold
--- @include end-task

local poolName, id, reason = unpack(ARGV)
local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName)
local taskKey = pool.tasks .. id

if redis.call('HEXISTS', taskKey, 'finishedOn') == 1 then
  return 'ended'
end
if redis.call('EXISTS', taskKey) == 0 then
  return 'gone'
end
local waited = redis.call('LREM', pool.wait, 1, id) + redis.call('ZREM', pool.prioritized, id)
  + redis.call('ZREM', pool.delayed, id) + redis.call('ZREM', pool.waitingChildren, id)
if waited > 0 then
  dropHeld(mesh, pool, id)
  endTask(mesh, pool, id, {kind = 'cancelled', message = reason}, redisNow(), 'waiting')
  return 'cancelled'
end
redis.call('HSET', taskKey, 'cm:cancel', reason)
return redis.call('GET', taskKey .. ':lock') or ''
