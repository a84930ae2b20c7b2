--[[
  One heartbeat: renews the node's lease and stores its record, unless the incarnation has been replaced or declared dead.
  Then it looks for dead nodes, in case those whose turn it is are among them.

  KEYS[1] to KEYS[10]: see includes/sweep.lua   KEYS[11] control (hash)
  KEYS[12...] the caller's pools
  ARGV[1] to ARGV[9]: see includes/sweep.lua   ARGV[10] incarnation   ARGV[11] lease (ms; 0 gives the lease up)
  ARGV[12] record (JSON)

  Result: {1 if alive or 0 if fenced, Redis time (ms), what somebody wants of the node ('', 'drain', or a drill once), then,
  if alive, what the sweep answers}
  Invariant: a fenced incarnation changes nothing.
]]
--- @include now
--- @include sweep

local now = redisNow()
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[10] then
  return {0, now, ''}
end
local lease = tonumber(ARGV[11])
if lease > 0 then
  redis.call('ZADD', KEYS[2], now + lease, ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end
redis.call('HSET', KEYS[10], ARGV[1], ARGV[12])
local wish = redis.call('HGET', KEYS[11], ARGV[1]) or ''
if wish ~= '' and wish ~= 'drain' then
  -- A drill is for the life that gets to hear of it, once.
  redis.call('HDEL', KEYS[11], ARGV[1])
end
local result = {1, now, wish}
for _, found in ipairs(sweep(now, 12)) do
  result[#result + 1] = found
end
return result
