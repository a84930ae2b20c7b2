--[[
  Reassigns a task because the provider has refused this node's login: requeues it at the head of its pool for another
  node. This uses up no handover, and an attempt only once the one free run is used up.

  ARGV pool   node id   incarnation   lock token   task id   why, for people   maximum attempts of the task   '1' if
  the task prefers this node, else ''
  Result: 'done'; 'no-further-run' (nothing has changed); 'fenced'; 'claim-gone'
]]
--- @include layout
--- @include now
--- @include fence
--- @include close-attempt
--- @include line
--- @include paid-by

local poolName, node, incarnation, token, id, reason, attempts, preferred = unpack(ARGV)
local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName)
local taskKey = pool.tasks .. id

local refused = refusal(mesh, node, incarnation, taskKey, token)
if refused then
  return refused
end
local payment = paidBy(taskKey, tonumber(attempts))
if not payment then
  return 'no-further-run'
end

closeAttempt(taskKey, 'retry', reason, redisNow())
redis.call('HINCRBY', taskKey, payment, 1)
redis.call('HSET', taskKey, 'cm:refusedOn', node)
if preferred == '1' then
  -- The preferred node has had its turn.
  redis.call('HSET', taskKey, 'cm:fellBack', 1)
end
redis.call('LREM', pool.active, '-1', id)
redis.call('DEL', taskKey .. ':lock')
backInLine(pool, id, true, 'active')
return 'done'
