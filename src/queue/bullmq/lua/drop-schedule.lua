--[[
  Removes or pauses a schedule with its next task: in BullMQ's job schedulers and, if no node has started the task, in
  the queue.

  ARGV name   schedule that the caller has read (JSON), '' if there must be none   schedule to store (JSON), '' to
  remove it   the only pool whose job scheduler is to be removed, '' for all
  Result: 1 done, 0 the schedule is not as read (nothing has changed)
  Invariant: job schedulers that other programs have created with BullMQ stay.
]]
--- @include layout
--- @include remove-unbegun

local name, read, store, onlyPool = unpack(ARGV)
local mesh = meshKeys(KEYS[1])

if (redis.call('HGET', mesh.schedules, name) or '') ~= read then
  return 0
end
if store == '' then
  redis.call('HDEL', mesh.schedules, name)
  redis.call('HDEL', mesh.scheduleFailures, name)
  redis.call('HDEL', mesh.scheduleLast, name)
elseif store ~= read then
  redis.call('HSET', mesh.schedules, name, store)
end
for _, poolName in ipairs(onlyPool ~= '' and {onlyPool} or redis.call('SMEMBERS', mesh.pools)) do
  local pool = poolKeys(KEYS[1], poolName)
  local scheduler = pool.schedulers .. ':' .. name
  -- The stored data may be corrupt; then it arms nothing.
  local due = redis.pcall('ZSCORE', pool.schedulers, name)
  local foreign = redis.call('EXISTS', scheduler) == 1 and redis.call('HEXISTS', scheduler, 'cm') == 0
  if type(due) == 'string' and not foreign then
    removeUnbegun(mesh, pool, 'repeat:' .. name .. ':' .. due)
    redis.call('ZREM', pool.schedulers, name)
    redis.call('DEL', scheduler)
  end
end
return 1
