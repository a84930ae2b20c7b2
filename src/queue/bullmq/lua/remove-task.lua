--[[
  Removes a task that no node runs, in any state.

  ARGV pool   task id   the state in which to remove it: 'completed', 'failed', 'cancelled', 'open' (it has not ended),
  or '' for any
  Result: 'gone', 'active' or 'other' (it is in another state; nothing has changed), or 'removed'
]]
--- @include layout
--- @include hold
--- @include forget-task

local poolName, id, wanted = unpack(ARGV)
local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName)

local function currentState()
  if redis.call('ZSCORE', pool.cancelled, id) then return 'cancelled' end
  if redis.call('ZSCORE', pool.failed, id) then return 'failed' end
  return redis.call('ZSCORE', pool.completed, id) and 'completed' or 'open'
end

if redis.call('EXISTS', pool.tasks .. id) == 0 then
  return 'gone'
end
if wanted ~= '' and currentState() ~= wanted then
  return 'other'
end
local found = redis.call('LREM', pool.wait, 1, id)
for _, state in ipairs({pool.prioritized, pool.delayed, pool.completed, pool.failed, pool.waitingChildren}) do
  found = found + redis.call('ZREM', state, id)
end
if found == 0 then
  return 'active'
end
redis.call('ZREM', pool.cancelled, id)
redis.call('ZREM', pool.acknowledged, id)
dropHeld(mesh, pool, id)
forgetTask(mesh, pool, id, 0)
poolEvent(pool, 'removed', id, 'prev', 'waiting')
return 'removed'
