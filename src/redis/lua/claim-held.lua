--[[
  A node takes the oldest task that is held for it, where there is one: the claim of a task that only some nodes may run, or
  whose session is at home here.

  KEYS[1] held tasks of this pool and reason (sorted set)  KEYS[2] delayed  KEYS[3] active  KEYS[4] events  KEYS[5] meta
  KEYS[6...] and ARGV[6...]: see includes/asking.lua
  ARGV[1] lock token  ARGV[2] visibility timeout (ms)  ARGV[3] member of the set of what is held
  ARGV[4] prefix of task keys   ARGV[5] time after which an enqueuing that was broken off is forgotten (ms)

  Result: -20 if fenced, {id, task hash as a flat list}, or nothing
  Invariant: as BullMQ's own claim: lock, start and owner are set in the step that makes the task active.
]]
--- @include now
--- @include asking

local mesh = asking({unpack(KEYS, 6)}, {unpack(ARGV, 6)})
if mesh.fenced() then
  return -20
end
if redis.call('HEXISTS', KEYS[5], 'paused') == 1 then
  return false
end
local now = redisNow()
local members = redis.call('ZRANGE', KEYS[1], 0, 99, 'WITHSCORES')
for i = 1, #members, 2 do
  local id = members[i]
  local jobKey = ARGV[4] .. id
  if redis.call('ZREM', KEYS[2], id) == 1 then
    redis.call('ZREM', KEYS[1], id)
    redis.call('LPUSH', KEYS[3], id)
    redis.call('SET', jobKey .. ':lock', ARGV[1], 'PX', ARGV[2])
    redis.call('HSET', jobKey, 'processedOn', string.format('%.0f', now), 'pb', ARGV[6], 'delay', 0)
    redis.call('HDEL', jobKey, 'cm:held')
    redis.call('HINCRBY', jobKey, 'ats', 1)
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
    local reply = {redis.call('HGETALL', jobKey), id}
    if mesh.enterSession({KEYS[3], KEYS[2], KEYS[4]}, reply, now) then
      return {id, reply[1]}
    end
    return false
  end
  -- Somebody may have cancelled or removed it meanwhile; or it is only about to be queued.
  if redis.call('EXISTS', jobKey) == 1 or now - tonumber(members[i + 1]) > tonumber(ARGV[5]) then
    redis.call('ZREM', KEYS[1], id)
  end
end
if redis.call('ZCARD', KEYS[1]) == 0 then
  mesh.nothingHeld(ARGV[3])
end
return false
