--[[
  Pauses or resumes a pool: BullMQ's own pause, which its other tools understand, too.

  ARGV pool   '1' to pause it, '' to resume it
  Result: 1 if this changed the pool, 0 if nothing has changed
]]
--- @include layout
--- @include delay

local poolName, pause = unpack(ARGV)
local pool = poolKeys(KEYS[1], poolName)

if pause == '1' then
  if redis.call('HEXISTS', pool.meta, 'paused') == 1 then return 0 end
  redis.call('HSET', pool.meta, 'paused', 1)
  redis.call('DEL', pool.marker)
  redis.call('XADD', pool.events, 'MAXLEN', '~', '10000', '*', 'event', 'paused')
  return 1
end
if redis.call('HDEL', pool.meta, 'paused') == 0 then return 0 end
redis.call('XADD', pool.events, 'MAXLEN', '~', '10000', '*', 'event', 'resumed')
if redis.call('LLEN', pool.wait) + redis.call('ZCARD', pool.prioritized) > 0 then
  redis.call('ZADD', pool.marker, '0', '0')
else
  markNextDue(pool)
end
return 1
