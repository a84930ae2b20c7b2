--[[
  A node reports the end of a run that is not followed by another: the task ends. The same step may claim the next
  task for the free slot.

  ARGV pool   node id   incarnation   lock token   task id   'completed', 'failed' or 'cancelled'   the result (JSON),
  or why it failed   error (JSON; '' for a completed task)   maximum attempts of the task   usage (JSON, see
  includes/count-usage.lua; '' if not known)   then for the next claim: its lock token ('' for no claim), and as for
  claim.lua: visibility timeout (ms), record, known version of the circuits, offer
  Result: as for claim.lua, about the next claim, followed by 1 if the circuits have changed in the meantime, else 0;
  'fenced'; 'claim-gone'. No task if the circuits have changed, or the strategy prefers another node.
  Invariant: a task ends once, by the claim that its lock names. Its answer is in the outbox from the same step. Nothing
  is counted for a refused report.
]]
--- @include layout
--- @include now
--- @include fence
--- @include mesh-event
--- @include free-deduplication
--- @include outbox
--- @include count-usage
--- @include dispatch
--- @include take-next

local poolName, node, incarnation, token, id, state, result, failure, attempts, usage,
  nextToken, visibilityMs, record, circuitsVersion, offer = unpack(ARGV)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()
local taskKey, time, completed = pool.tasks .. id, string.format('%.0f', now), state == 'completed'
-- A result may have a mebibyte, and BullMQ's event stream keeps 10,000 entries. So readers of the stream get a long
-- result from the task instead.
local EVENT_BYTES = 1024

if isFenced(mesh, node, incarnation) then
  return 'fenced'
end
local stored = redis.call('HMGET', taskKey, 'timestamp', 'atm', 'deid', 'cm:box')
if not stored[1] or not owns(taskKey, token) or redis.call('LREM', pool.active, '-1', id) == 0 then
  return 'claim-gone'
end

redis.call('DEL', taskKey .. ':lock')
redis.call('ZADD', completed and pool.completed or pool.failed, time, id)
local made, deduplicationId, box = (tonumber(stored[2] or nil) or 0) + 1, stored[3], stored[4]
if completed then
  redis.call('HSET', taskKey, 'returnvalue', result, 'finishedOn', time, 'atm', made)
  poolEvent(pool, 'completed', id, 'returnvalue', #result > EVENT_BYTES and '""' or result, 'prev', 'active')
else
  redis.call('HSET', taskKey, 'failedReason', result, 'cm:error', failure, 'finishedOn', time, 'atm', made)
  poolEvent(pool, 'failed', id, 'failedReason', result, 'prev', 'active')
  if made >= tonumber(attempts) then poolEvent(pool, 'retries-exhausted', id, 'attemptsMade', made) end
end
if state == 'cancelled' then
  redis.call('ZADD', pool.cancelled, time, id)
elseif state == 'failed' then
  meshEvent(mesh, 'dead-letter', now, {'task', id, 'pool', poolName, 'node', node, 'reason', result})
end
if deduplicationId then freeDeduplication(pool, id, deduplicationId, now) end
if box then queueDelivery(mesh, pool, id, box, now) end
if usage ~= '' then countUsage(mesh, usage, now) end

local circuitsChanged = (redis.call('GET', mesh.circuitsVersion) or '0') ~= circuitsVersion
local wanted = nextToken ~= '' and not circuitsChanged
  and (offer == '' or mayTake(mesh, pool, node, incarnation, offer, now))
local next = {'', {}, 0, 0, circuitsChanged and 1 or 0}
if wanted then
  local claim = {at = time, node = node, token = nextToken, visibilityMs = visibilityMs, record = record}
  next = takeNext(mesh, pool, claim, now)
end
if next[1] == '' and redis.call('LLEN', pool.active) + redis.call('LLEN', pool.wait) + redis.call('ZCARD', pool.prioritized) == 0 then
  redis.call('XADD', pool.events, '*', 'event', 'drained')
end
return next
