-- When the next delayed task is due (ms), 0 if there is none. BullMQ's score has the time above a counter of 12 bits.
local function nextDueAt(pool)
  return (tonumber(redis.call('ZRANGE', pool.delayed, '0', '0', 'WITHSCORES')[2] or nil) or 0) / 0x1000
end
