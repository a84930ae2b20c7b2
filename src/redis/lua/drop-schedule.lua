--[[
  Removes or pauses a schedule, with its next task: in BullMQ's job schedulers and, if no node has begun it, in the queue.

  KEYS[1] schedules (hash)   KEYS[2] why schedules queue nothing (hash)   KEYS[3] pools (set)
  ARGV[1] name   ARGV[2] the schedule that the caller has read (JSON), '' if there must be none   ARGV[3] the schedule to
  store (JSON), '' to remove it   ARGV[4] the part that all keys of the mesh begin with   ARGV[5] the one pool whose job
  scheduler is to go, '' for all

  Result: 1 done, 0 the schedule is not what was read (nothing has changed)
  Invariant: job schedulers that other programs have made with BullMQ stay.
]]
--- @include remove-unbegun

if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then
  return 0
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
elseif ARGV[3] ~= ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
for _, pool in ipairs(ARGV[5] ~= '' and {ARGV[5]} or redis.call('SMEMBERS', KEYS[3])) do
  local prefix = ARGV[4] .. ':' .. pool .. ':'
  local scheduler = prefix .. 'repeat:' .. ARGV[1]
  -- What stands there may be mangled: then it arms nothing.
  local due = redis.pcall('ZSCORE', prefix .. 'repeat', ARGV[1])
  local foreign = redis.call('EXISTS', scheduler) == 1 and redis.call('HEXISTS', scheduler, 'cm') == 0
  if type(due) == 'string' and not foreign then
    removeUnbegun(prefix, 'repeat:' .. ARGV[1] .. ':' .. due)
    redis.call('ZREM', prefix .. 'repeat', ARGV[1])
    redis.call('DEL', scheduler)
  end
end
return 1
