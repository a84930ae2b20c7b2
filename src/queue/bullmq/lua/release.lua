--[[
  A node releases a task that it has claimed, for example because it is stopping and the run did not end in time.

  ARGV pool   node id   incarnation   lock token   task id   reason
  Result: 'done'; 'claim-gone' (nothing changed); 'fenced'
  Invariant: the task is in exactly one of active and waiting before and after, unless it was cancelled and ends. It
  keeps its priority and its attempts. Whatever the reason, it does not count as lost with its node.
]]
--- @include layout
--- @include now
--- @include fence
--- @include requeue-task

local poolName, node, incarnation, token, id, reason = unpack(ARGV)
local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName)

local refused = refusal(mesh, node, incarnation, pool.tasks .. id, token)
if refused then
  return refused
end
return requeueTask(mesh, pool, id, node, reason, 0, redisNow()) and 'done' or 'claim-gone'
