--[[
  Queues a failed or cancelled task again on request, like a new one, with its original number of attempts. Its
  history stays. A delivery of the failure that is still pending is dropped. A task that has never run waits again for the tasks that it comes after.

  ARGV pool   task id   original number of attempts
  Result: 'gone', 'open' (it has not ended), 'completed', or 'waiting' on success
  Invariant: a task never runs before the tasks that it comes after have completed.
]]
--- @include layout
--- @include now
--- @include line
--- @include hold
--- @include add-history
--- @include outbox

local poolName, id, attempts = unpack(ARGV)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()
local taskKey = pool.tasks .. id

if redis.call('EXISTS', taskKey) == 0 then
  return 'gone'
end
if redis.call('ZREM', pool.failed, id) == 0 then
  return redis.call('HEXISTS', taskKey, 'finishedOn') == 1 and 'completed' or 'open'
end
local state = redis.call('ZREM', pool.cancelled, id) > 0 and 'cancelled' or 'failed'

local fields = redis.call('HMGET', taskKey, 'processedOn', 'pb', 'atm', 'cm:history', 'finishedOn', 'failedReason',
  'cm:box')
local startedAt, node, made = tonumber(fields[1] or nil), fields[2] or nil, tonumber(fields[3] or '0') or 0
local history, endedAt, reason, box = fields[4] or '', tonumber(fields[5] or nil), fields[6] or nil, fields[7]
-- A task that never ran is not retried but enqueued again, so that starts = 1 + handovers + retries stays true.
local ran = startedAt or string.find(history, '"event":"claimed"', 1, true)
local entries = {
  {at = endedAt, event = state, node = node, attempt = made, reason = reason},
  {at = now, event = ran and 'retry' or 'enqueued', attempt = made + 1, reason = 'by an operator'},
}
if startedAt then
  table.insert(entries, 1, {at = startedAt, event = 'claimed', node = node, attempt = made})
end
redis.call('HDEL', taskKey, 'finishedOn', 'failedReason', 'cm:error', 'processedOn', 'pb', 'progress', 'cm:cancel',
  'cm:lost', 'cm:acknowledged', 'stacktrace')
redis.call('ZREM', pool.acknowledged, id)
if box then dropDelivery(mesh, pool, id, box) end
redis.call('HSET', taskKey, 'cm:history', addHistory(history, entries), 'cm:max', made + tonumber(attempts), 'delay', 0)

-- If it has run, the tasks before it had completed.
if not ran and (redis.call('HGET', taskKey, 'cm:after') or '') ~= '' then
  holdTask(mesh, pool, id, 'after', string.format('%.0f', now))
else
  backInLine(pool, id, false, state)
end
return 'waiting'
