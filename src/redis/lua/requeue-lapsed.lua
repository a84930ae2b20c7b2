--[[
  The last resort: puts tasks back whose claim lapsed (visibility timeout), that is, which are active without a lock.
  Looks at a window of the active list per call, so that Redis is never held up; the caller goes through the windows.

  KEYS[1] active  KEYS[2] wait  KEYS[3] prioritized  KEYS[4] marker  KEYS[5] meta  KEYS[6] events  KEYS[7] handovers
  ARGV[1] pool   ARGV[2] prefix of task keys   ARGV[3] first index   ARGV[4] window size   ARGV[5] visibility timeout (ms)

  Result: {next index (0 when the list is through), id of each task put back...}
  Invariant: a task with a lock is never touched. A claim sets the lock in the same step that makes a task active.
]]
--- @include now
--- @include requeue-task

local first = tonumber(ARGV[3])
local size = tonumber(ARGV[4])
local ids = redis.call('LRANGE', KEYS[1], first, first + size - 1)
local keys = {KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]}
local now = redisNow()
local result = {0}
for _, id in ipairs(ids) do
  local jobKey = ARGV[2] .. id
  if redis.call('EXISTS', jobKey .. ':lock') == 0 then
    if requeueTask(keys, ARGV[1], id, jobKey, 'unknown', 'visibility-timeout', ARGV[5], now) then
      result[#result + 1] = id
    end
  end
end
if #ids == size then
  result[1] = first + size - (#result - 1)
end
return result
