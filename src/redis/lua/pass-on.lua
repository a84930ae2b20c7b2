--[[
  The provider has refused this node's login: the task goes back to the head of its pool for another node. It uses up no
  handover, and an attempt only where its one free run is used up.

  KEYS[1] incarnations (hash)  KEYS[2] active  KEYS[3] task hash
  KEYS[4] wait  KEYS[5] prioritized  KEYS[6] marker  KEYS[7] meta  KEYS[8] events  KEYS[9] pc
  ARGV[1] node id  ARGV[2] incarnation  ARGV[3] lock token  ARGV[4] task id  ARGV[5] why, for people
  ARGV[6] attempts that the task has   ARGV[7] '1' if the task would rather run on this node, else ''

  Result: 1 done, 0 the task has no further run (nothing has changed), -20 fenced, -6 the claim is not ours
]]
--- @include now
--- @include close-attempt
--- @include back-in-queue
--- @include paid-by

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return -20
end
if redis.call('GET', KEYS[3] .. ':lock') ~= ARGV[3] then
  return -6
end
local payment = paidBy(KEYS[3], ARGV[6])
if not payment then return 0 end
closeAttempt(KEYS[3], 'retry', ARGV[5], redisNow())
redis.call('HINCRBY', KEYS[3], payment, 1)
redis.call('HSET', KEYS[3], 'cm:refusedOn', ARGV[1])
if ARGV[7] == '1' then
  -- The node that it would rather run on has had its turn.
  redis.call('HSET', KEYS[3], 'cm:fellBack', 1)
end
redis.call('LREM', KEYS[2], -1, ARGV[4])
redis.call('DEL', KEYS[3] .. ':lock')
backInQueue({unpack(KEYS, 4, 9)}, ARGV[4], KEYS[3], true, 'active')
return 1
