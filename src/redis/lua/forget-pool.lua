--[[
  Forgets a pool that has been empty for long and that no node serves, with all that BullMQ and the strategies keep of it.
  Since when it is so is noted at the first look.

  KEYS[1] pools (set)  KEYS[2] absent  KEYS[3] tokens  KEYS[4] incarnations (hashes)
  KEYS[5] wait  KEYS[6] active (lists)  KEYS[7] prioritized  KEYS[8] delayed  KEYS[9] completed  KEYS[10] failed
  KEYS[11] cancelled  KEYS[12] repeat  KEYS[13] waiting-children (sorted sets)  KEYS[14] meta  KEYS[15...] the rest of what is kept of the pool
  ARGV[1] pool   ARGV[2] 1 if a node or a schedule is there for it   ARGV[3] how long an empty pool is remembered (ms)

  Result: 1 if it was forgotten
  Invariant: a pool with a task in any state, or that somebody has paused, stays.
]]
--- @include now

-- No node's id has a space.
local field = 'pool ' .. ARGV[1]
local held = redis.call('LLEN', KEYS[5]) + redis.call('LLEN', KEYS[6])
for i = 7, 13 do
  held = held + redis.call('ZCARD', KEYS[i])
end
if ARGV[2] == '1' or held > 0 or redis.call('HEXISTS', KEYS[14], 'paused') == 1 then
  redis.call('HDEL', KEYS[2], field)
  return 0
end
local now = redisNow()
local since = tonumber(redis.call('HGET', KEYS[2], field) or nil)
if not since then
  redis.call('HSET', KEYS[2], field, string.format('%.0f', now))
  return 0
end
if now - since < tonumber(ARGV[3]) then
  return 0
end
redis.call('SREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], field)
redis.call('DEL', unpack(KEYS, 5))
for _, node in ipairs(redis.call('HKEYS', KEYS[4])) do
  redis.call('HDEL', KEYS[3], ARGV[1] .. ':' .. node)
end
return 1
