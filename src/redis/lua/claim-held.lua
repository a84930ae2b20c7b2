--[[
  A node takes the oldest task that is held for it, where there is one: the claim of a task that only some nodes may run.

  KEYS[1] incarnations (hash)  KEYS[2] held tasks of this pool and reason (sorted set)  KEYS[3] set of what is held
  KEYS[4] delayed  KEYS[5] active  KEYS[6] events  KEYS[7] meta
  ARGV[1] node id  ARGV[2] incarnation  ARGV[3] lock token  ARGV[4] visibility timeout (ms)  ARGV[5] member of KEYS[3]
  ARGV[6] prefix of task keys   ARGV[7] time after which an enqueuing that was broken off is forgotten (ms)

  Result: -20 if fenced, {id, task hash as a flat list}, or nothing
  Invariant: as BullMQ's own claim: lock, start and owner are set in the step that makes the task active.
]]
--- @include now

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return -20
end
if redis.call('HEXISTS', KEYS[7], 'paused') == 1 then
  return false
end
local now = redisNow()
local members = redis.call('ZRANGE', KEYS[2], 0, 99, 'WITHSCORES')
for i = 1, #members, 2 do
  local id = members[i]
  local jobKey = ARGV[6] .. id
  if redis.call('ZREM', KEYS[4], id) == 1 then
    redis.call('ZREM', KEYS[2], id)
    redis.call('LPUSH', KEYS[5], id)
    redis.call('SET', jobKey .. ':lock', ARGV[3], 'PX', ARGV[4])
    redis.call('HSET', jobKey, 'processedOn', string.format('%.0f', now), 'pb', ARGV[1], 'delay', 0)
    redis.call('HDEL', jobKey, 'cm:held')
    redis.call('HINCRBY', jobKey, 'ats', 1)
    redis.call('XADD', KEYS[6], 'MAXLEN', '~', 10000, '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
    return {id, redis.call('HGETALL', jobKey)}
  end
  -- Somebody may have cancelled or removed it meanwhile; or it is only about to be queued.
  if redis.call('EXISTS', jobKey) == 1 or now - tonumber(members[i + 1]) > tonumber(ARGV[7]) then
    redis.call('ZREM', KEYS[2], id)
  end
end
if redis.call('ZCARD', KEYS[2]) == 0 then
  redis.call('SREM', KEYS[3], ARGV[5])
end
return false
