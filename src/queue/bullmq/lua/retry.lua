--[[
  A node reports a failed run that is followed by another attempt, after a pause.

  ARGV pool   node id   incarnation   lock token   task id   pause (ms)   why it failed
  Result: 'done'; 'fenced'; 'claim-gone'
  Invariant: the failed attempt is in the task's history from the step in which the task starts to wait for the next
  one.
]]
--- @include layout
--- @include now
--- @include fence
--- @include close-attempt
--- @include delay

local poolName, node, incarnation, token, id, pauseMs, reason = unpack(ARGV)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()
local taskKey = pool.tasks .. id

if isFenced(mesh, node, incarnation) then
  return 'fenced'
end
if redis.call('HEXISTS', taskKey, 'timestamp') == 0 or not owns(taskKey, token)
  or redis.call('LREM', pool.active, '-1', id) == 0 then
  return 'claim-gone'
end

redis.call('DEL', taskKey .. ':lock')
closeAttempt(taskKey, 'retry', reason, now)
redis.call('HINCRBY', taskKey, 'atm', 1)
redis.call('HSET', taskKey, 'delay', pauseMs)
delayTask(pool, id, now + tonumber(pauseMs))
return 'done'
