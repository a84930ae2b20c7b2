-- An event of a pool, for BullMQ's tools. `...`: more names and values.
local function poolEvent(pool, event, id, ...)
  redis.call('XADD', pool.events, 'MAXLEN', '~', '10000', '*', 'event', event, 'jobId', id, ...)
end
