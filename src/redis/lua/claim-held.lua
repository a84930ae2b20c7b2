--[[
  A node takes the first task that is held for it and may run now, by priority, then by age, where there is one: the claim of a task that only some
  nodes may run, or whose session is at home here. Of a session that is busy with a held task, it is that one.

  KEYS[1] held tasks of this pool and reason (sorted set)  KEYS[2] delayed  KEYS[3] active  KEYS[4] events  KEYS[5] meta
  KEYS[6] incarnations (hash)  KEYS[7] set of what is held  KEYS[8] lock tokens that have brought a task last (hash)
  KEYS[9] limiter (string)
  ARGV[1] lock token  ARGV[2] visibility timeout (ms)  ARGV[3] member of KEYS[7]
  ARGV[4] prefix of task keys   ARGV[5] node id  ARGV[6] incarnation  ARGV[7] names (JSON): see Asking in queue/asking.ts
  ARGV[8] field of KEYS[8]

  Result: -20 if fenced, {id, task hash as a flat list}, or nothing; nothing, too, if the token has brought a task before
  Invariant: as BullMQ's own claim: lock, start and owner are set in the step that makes the task active, and no two
  tasks ever get the same token. The pool's global concurrency and rate limit hold, too.
]]
--- @include now
--- @include all-names
--- @include fresh-token
--- @include enter-session

if redis.call('HGET', KEYS[6], ARGV[5]) ~= ARGV[6] then
  return -20
end
local limits = redis.call('HMGET', KEYS[5], 'paused', 'concurrency', 'max', 'duration')
local most, rate, rateMs = tonumber(limits[2] or nil), tonumber(limits[3] or nil), tonumber(limits[4] or nil)
if limits[1] or not isFresh(ARGV[1], redis.call('HGET', KEYS[8], ARGV[8])) then
  return false
end
if most and redis.call('LLEN', KEYS[3]) >= most then
  return false
end
if rate and tonumber(redis.call('GET', KEYS[9]) or '0') >= rate and redis.call('PTTL', KEYS[9]) > 0 then
  return false
end
local now = redisNow()
local names = allNames(ARGV[7])
local session = string.match(ARGV[3], '^%S+ session:(.*)$')
local ids = redis.call('ZRANGE', KEYS[1], 0, 199)
if not session then
  -- Those with a priority first, 1 before 2; else in the order in which they came.
  local order, classes = {}, {}
  for i, id in ipairs(ids) do
    local priority = tonumber(redis.call('HGET', ARGV[4] .. id, 'priority') or nil) or 0
    order[id], classes[id] = i, priority > 0 and priority or math.huge
  end
  table.sort(ids, function(a, b)
    if classes[a] ~= classes[b] then return classes[a] < classes[b] end
    return order[a] < order[b]
  end)
end
if session then
  -- Those behind it wait for its end.
  local current = redis.call('HGET', names.sessions .. session, 'task')
  ids = {(firstOfSession(KEYS[1], KEYS[2], current, names.pool))}
end
for _, id in ipairs(ids) do
  local jobKey = ARGV[4] .. id
  redis.call('ZREM', KEYS[1], id)
  -- Somebody may have cancelled or removed it meanwhile.
  if redis.call('ZREM', KEYS[2], id) == 1 then
    redis.call('LPUSH', KEYS[3], id)
    if rate and redis.call('INCR', KEYS[9]) == 1 and rateMs then
      redis.call('PEXPIRE', KEYS[9], math.floor(rateMs))
    end
    redis.call('SET', jobKey .. ':lock', ARGV[1], 'PX', ARGV[2])
    redis.call('HSET', KEYS[8], ARGV[8], ARGV[1])
    redis.call('HSET', jobKey, 'processedOn', string.format('%.0f', now), 'pb', ARGV[5], 'delay', 0)
    redis.call('HDEL', jobKey, 'cm:held')
    redis.call('HINCRBY', jobKey, 'ats', 1)
    redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
    local itsSession = redis.call('HGET', jobKey, 'cm:session')
    -- If its session is busy, it is held for that from here on, and the next one may run.
    if not itsSession or enterSession({KEYS[3], KEYS[2], KEYS[4], KEYS[6]}, names, ARGV[5], id, itsSession, now) then
      return {id, redis.call('HGETALL', jobKey)}
    end
  end
end
if redis.call('ZCARD', KEYS[1]) == 0 then
  redis.call('SREM', KEYS[7], ARGV[3])
end
return false
