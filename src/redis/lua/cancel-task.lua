--[[
  Somebody cancels a task. One that waits ends at once; one that runs is marked, and ends when its node has stopped it, or
  when its claim is found void.

  KEYS[1] task hash  KEYS[2] wait  KEYS[3] prioritized  KEYS[4] delayed  KEYS[5] cancelled  KEYS[6] events
  KEYS[7] waiting-children
  ARGV[1] task id   ARGV[2] why, for people

  Result: 'gone', 'ended', 'cancelled', or the lock token of the node that runs it ('' if it has lapsed)
  Invariant: a task ends once; whoever comes first in Redis, this or a report, wins.
]]
--- @include now
--- @include drop-held
--- @include end-task

local ended = redis.call('HGET', KEYS[1], 'finishedOn')
if ended then
  return 'ended'
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 'gone'
end
local waited = redis.call('LREM', KEYS[2], 1, ARGV[1]) + redis.call('ZREM', KEYS[3], ARGV[1])
  + redis.call('ZREM', KEYS[4], ARGV[1]) + redis.call('ZREM', KEYS[7], ARGV[1])
if waited > 0 then
  dropHeld(ARGV[1], KEYS[1])
  endTask({KEYS[5], KEYS[6]}, ARGV[1], KEYS[1], {kind = 'cancelled', message = ARGV[2]}, redisNow(), 'waiting')
  return 'cancelled'
end
redis.call('HSET', KEYS[1], 'cm:cancel', ARGV[2])
return redis.call('GET', KEYS[1] .. ':lock') or ''
