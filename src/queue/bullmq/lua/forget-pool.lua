--[[
  Forgets a pool that has been empty for long and that no node serves, with everything that BullMQ and the strategies
  store for it. The first call records since when the pool is unused.

  ARGV pool   '1' if a node or a schedule uses it   how long an empty pool is remembered (ms)
  Result: 1 if it was forgotten, else 0
  Invariant: a pool with a task in any state stays, and so does a paused pool.
]]
--- @include layout
--- @include now

local poolName, used, keepMs = unpack(ARGV)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()
-- A space keeps this field distinct from node ids.
local field = 'pool ' .. poolName

local tasks = redis.call('LLEN', pool.wait) + redis.call('LLEN', pool.active)
for _, state in ipairs({pool.prioritized, pool.delayed, pool.completed, pool.failed, pool.schedulers,
  pool.waitingChildren}) do
  tasks = tasks + redis.call('ZCARD', state)
end
if used == '1' or tasks > 0 or redis.call('HEXISTS', pool.meta, 'paused') == 1 then
  redis.call('HDEL', mesh.absent, field)
  return 0
end
local since = tonumber(redis.call('HGET', mesh.absent, field) or nil)
if not since then
  redis.call('HSET', mesh.absent, field, string.format('%.0f', now))
  return 0
end
if now - since < tonumber(keepMs) then
  return 0
end

redis.call('SREM', mesh.pools, poolName)
redis.call('HDEL', mesh.absent, field)
local dispatch = dispatchKeys(KEYS[1], poolName)
redis.call('DEL', pool.meta, pool.events, pool.marker, pool.limiter, pool.priorityCounter, pool.jobCounter, pool.cancelled, pool.acknowledged,
  dispatch.free, dispatch.turns)
-- Keys that BullMQ's own workers and its deduplication leave behind.
redis.call('DEL', pool.tasks .. 'stalled', pool.tasks .. 'stalled-check', pool.tasks .. 'paused', pool.tasks .. 'de')
for _, node in ipairs(redis.call('HKEYS', mesh.incarnations)) do
  redis.call('HDEL', mesh.tokens, poolName .. ':' .. node)
end
return 1
