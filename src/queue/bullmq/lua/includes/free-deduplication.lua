--- @include line

-- Frees the id with which BullMQ's deduplication keeps other jobs out of the queue until this one has ended, unless
-- the id has its own expiry. Then queues the latest job that `keepLastIfActive` has kept.
local function freeDeduplication(pool, id, deduplicationId, now)
  local holder, latest = pool.tasks .. 'de:' .. deduplicationId, pool.tasks .. 'dn:' .. deduplicationId
  if redis.call('GET', holder) == id and redis.call('PTTL', holder) == -1 then
    redis.call('DEL', holder)
  end
  local fields = redis.call('HMGET', latest, 'name', 'data', 'opts', 'jid')
  local name, data, options, newId = fields[1] or 'task', fields[2], fields[3], fields[4]
  if not data then return end
  local readable, decoded = pcall(cjson.decode, options or '')
  local priority = readable and type(decoded) == 'table' and tonumber(decoded.priority) or 0
  newId = newId or string.format('%.0f', redis.call('INCR', pool.jobCounter))
  redis.call('HSET', pool.tasks .. newId, 'name', name, 'data', data, 'opts', options or '{}',
    'timestamp', string.format('%.0f', now), 'delay', 0, 'priority', priority, 'deid', deduplicationId)
  redis.call('SET', holder, newId)
  redis.call('DEL', latest)
  poolEvent(pool, 'added', newId, 'name', name)
  backInLine(pool, newId, false, 'added')
end
