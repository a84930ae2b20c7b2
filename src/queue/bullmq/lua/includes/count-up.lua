-- Increments a field of a task's hash, even if it holds no number. HINCRBY would abort the script at such a task: a
-- sweep, for example, and with it the requeue of all other tasks, again and again.
local function countUp(taskKey, field)
  local count = math.floor(tonumber(redis.call('HGET', taskKey, field) or '0') or 0) + 1
  redis.call('HSET', taskKey, field, string.format('%.0f', count))
  return count
end
