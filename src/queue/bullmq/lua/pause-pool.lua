--[[
  Pauses a pool: BullMQ's own pause, which its other tools understand, too. Field `cm:pause` of BullMQ's `meta` says
  since and until when (ms; until 0: until it is resumed), and why. A later pause replaces it.

  ARGV pool   how long the pause lasts (ms; 0 until the pool is resumed)   details (JSON)
  Result: 1 if the pool was not paused yet, else 0
]]
--- @include layout
--- @include now

local poolName, lasts, details = unpack(ARGV)
lasts = tonumber(lasts)
local pool, now = poolKeys(KEYS[1], poolName), redisNow()

local ends = lasts > 0 and now + lasts or 0
redis.call('HSET', pool.meta, 'cm:pause', string.format('%.0f %.0f %s', now, ends, details))
if redis.call('HEXISTS', pool.meta, 'paused') == 1 then return 0 end
redis.call('HSET', pool.meta, 'paused', 1)
redis.call('DEL', pool.marker)
redis.call('XADD', pool.events, 'MAXLEN', '~', '10000', '*', 'event', 'paused')
return 1
