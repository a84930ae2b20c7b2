-- Removes all there is of a task, and frees its idempotency key; with `keyMs` > 0 the key is remembered for so long yet.
local function forgetTask(taskId, jobKey, keyPrefix, keyMs)
  local ok, data = pcall(cjson.decode, redis.call('HGET', jobKey, 'data') or '')
  if ok and type(data) == 'table' and type(data.key) == 'string' then
    local name = keyPrefix .. data.key
    local owner = redis.call('GET', name)
    if owner and string.find(owner, ' ' .. taskId, 1, true) then
      if keyMs > 0 then
        redis.call('SET', name, string.match(owner, '^%S+ %S+') .. ' ended', 'PX', keyMs)
      else
        redis.call('DEL', name)
      end
    end
  end
  redis.call('DEL', jobKey, jobKey .. ':logs', jobKey .. ':lock')
end
