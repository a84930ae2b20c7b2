-- The limits of a whole pool: BullMQ's pause, its global concurrency and its rate limit.
-- Returns whether no task may start now, and how long the rate limit guarantees that (ms, 0: not known); then the
-- period (ms) of the rate limit, nil without one.
local function poolLimits(pool)
  local meta = redis.call('HMGET', pool.meta, 'paused', 'concurrency', 'max', 'duration')
  local most, rate = tonumber(meta[2] or nil), tonumber(meta[3] or nil)
  local closed = meta[1] or (most and redis.call('LLEN', pool.active) >= most)
  if not rate then return closed, 0, nil end
  local left = 0
  if (tonumber(redis.call('GET', pool.limiter) or nil) or 0) >= rate then
    left = math.max(0, redis.call('PTTL', pool.limiter))
  end
  return closed or left > 0, left, math.floor(math.abs(tonumber(meta[4] or nil) or 0))
end
