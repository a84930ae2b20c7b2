-- Removes all there is of a task, and frees its idempotency key and its id in BullMQ's deduplication; with `keyMs` > 0 the key is remembered for so long yet.
-- The key stands in a field of its own: the task itself may be a mebibyte of JSON.
local function forgetTask(taskId, jobKey, keyPrefix, keyMs)
  local key = redis.call('HGET', jobKey, 'cm:key')
  if key then
    local name = keyPrefix .. key
    local pool, owner = string.match(redis.call('GET', name) or '', '^(%S+) (%S+)')
    if owner == taskId then
      if keyMs > 0 then
        redis.call('SET', name, pool .. ' ' .. owner .. ' ended', 'PX', keyMs)
      else
        redis.call('DEL', name)
      end
    end
  end
  local id = redis.call('HGET', jobKey, 'deid')
  local deduplication = id and string.sub(jobKey, 1, -#taskId - 1) .. 'de:' .. id
  if deduplication and redis.call('GET', deduplication) == taskId then
    redis.call('DEL', deduplication, string.sub(jobKey, 1, -#taskId - 1) .. 'dn:' .. id)
  end
  -- The last four are of BullMQ's flows.
  redis.call('DEL', jobKey, jobKey .. ':logs', jobKey .. ':lock', jobKey .. ':dependencies', jobKey .. ':processed',
    jobKey .. ':failed', jobKey .. ':unsuccessful')
end
