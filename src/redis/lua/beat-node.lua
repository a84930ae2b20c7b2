--[[
  One heartbeat: renews the node's lease and stores its record, unless the incarnation has been replaced or declared dead.

  KEYS[1] incarnations (hash)   KEYS[2] leases (sorted set)   KEYS[3] nodes (hash)   KEYS[4] control (hash)
  ARGV[1] node id   ARGV[2] incarnation   ARGV[3] lease (ms; 0 gives the lease up)   ARGV[4] record (JSON)

  Result: {1 if alive or 0 if fenced, Redis time (ms), what somebody wants of the node ('', 'drain', or a drill once)}
  Invariant: a fenced incarnation changes nothing.
]]
--- @include now

local now = redisNow()
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return {0, now, ''}
end
local lease = tonumber(ARGV[3])
if lease > 0 then
  redis.call('ZADD', KEYS[2], now + lease, ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end
redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
local wish = redis.call('HGET', KEYS[4], ARGV[1]) or ''
if wish ~= '' and wish ~= 'drain' then
  -- A drill is for the life that gets to hear of it, once.
  redis.call('HDEL', KEYS[4], ARGV[1])
end
return {1, now, wish}
