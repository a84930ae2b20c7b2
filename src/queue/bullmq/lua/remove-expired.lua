--[[
  Removes ended tasks that were kept long enough or exceed the maximum number; the oldest first, some per call.

  ARGV pool   'completed', or 'failed' for failed and cancelled tasks   how long to keep them (ms)   how many to keep
  maximum number to remove   maximum bytes to remove, unless it is a single task
  Result: number of removed tasks
  Invariant: an idempotency key is remembered for the whole time, even if its task is removed early because of the
  maximum number. The work of a call is bounded: it parses no task, and frees a bounded amount of memory.
]]
--- @include layout
--- @include now
--- @include forget-task

local poolName, state, keepMs, kept, limit, bytesLeft = unpack(ARGV)
keepMs, kept, limit, bytesLeft = tonumber(keepMs), tonumber(kept), tonumber(limit), tonumber(bytesLeft)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()
local ended = state == 'completed' and pool.completed or pool.failed
-- Assumed size of a log line, bytes; most lines are shorter.
local LINE_BYTES = 500

local old = redis.call('ZRANGEBYSCORE', ended, '-inf', now - keepMs, 'WITHSCORES', 'LIMIT', 0, limit)
local excess = redis.call('ZCARD', ended) - kept
if excess > #old / 2 then
  old = redis.call('ZRANGE', ended, 0, math.min(excess, limit) - 1, 'WITHSCORES')
end
local removed = 0
for i = 1, #old, 2 do
  local id, endedAt = old[i], tonumber(old[i + 1])
  local taskKey = pool.tasks .. id
  bytesLeft = bytesLeft - redis.call('HSTRLEN', taskKey, 'data') - redis.call('HSTRLEN', taskKey, 'returnvalue')
    - LINE_BYTES * redis.call('LLEN', taskKey .. ':logs')
  if bytesLeft < 0 and removed > 0 then
    return removed
  end
  forgetTask(mesh, pool, id, math.floor(endedAt + keepMs - now))
  redis.call('ZREM', ended, id)
  if state == 'failed' then
    redis.call('ZREM', pool.cancelled, id)
    redis.call('ZREM', pool.acknowledged, id)
  end
  removed = removed + 1
end
return removed
