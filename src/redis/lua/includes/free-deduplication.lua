--- @include back-in-queue

-- Frees the id with which BullMQ keeps other jobs out of the queue while this one has not ended, unless that has a time of its
-- own. What came meanwhile with `keepLastIfActive` is queued now.
local function freeDeduplication(taskId, jobKey, now)
  local id = redis.call('HGET', jobKey, 'deid')
  if not id then return end
  local prefix = string.sub(jobKey, 1, -#taskId - 1)
  local key, latest = prefix .. 'de:' .. id, prefix .. 'dn:' .. id
  if redis.call('GET', key) == taskId and redis.call('PTTL', key) == -1 then
    redis.call('DEL', key)
  end
  local fields = redis.call('HMGET', latest, 'name', 'data', 'opts', 'jid')
  local readable, options = pcall(cjson.decode, fields[3] or '')
  if not fields[2] then return end
  local priority = readable and type(options) == 'table' and tonumber(options.priority) or 0
  local number = redis.call('INCR', prefix .. 'id')
  local newId = fields[4] or string.format('%.0f', number)
  redis.call('HSET', prefix .. newId, 'name', fields[1] or 'task', 'data', fields[2], 'opts', fields[3],
    'timestamp', string.format('%.0f', now), 'delay', 0, 'priority', priority, 'deid', id)
  redis.call('SET', key, newId)
  redis.call('DEL', latest)
  redis.call('XADD', prefix .. 'events', 'MAXLEN', '~', 10000, '*', 'event', 'added', 'jobId', newId, 'name', fields[1] or 'task')
  local keys = {prefix .. 'wait', prefix .. 'prioritized', prefix .. 'marker', prefix .. 'meta', prefix .. 'events', prefix .. 'pc'}
  backInQueue(keys, newId, prefix .. newId, false, 'added')
end
