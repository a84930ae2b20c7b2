--- @include delay

-- Ends the pause of a pool, and wakes a node if it has work. Returns whether the pool was paused.
local function resumePool(pool)
  local wasPaused = redis.call('HDEL', pool.meta, 'paused') == 1
  redis.call('HDEL', pool.meta, 'cm:pause')
  if not wasPaused then
    return false
  end
  redis.call('XADD', pool.events, 'MAXLEN', '~', '10000', '*', 'event', 'resumed')
  if redis.call('LLEN', pool.wait) + redis.call('ZCARD', pool.prioritized) > 0 then
    redis.call('ZADD', pool.marker, '0', '0')
  else
    markNextDue(pool)
  end
  return true
end
