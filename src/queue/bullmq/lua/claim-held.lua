--[[
  A node claims the first task that is held for it and may run now, by priority, then by age: a task that only certain
  nodes may run, or whose session is sticky to this node. If the session is busy with a held task, that task is the
  only candidate.

  ARGV pool   node id   incarnation   lock token   visibility timeout (ms)   record of the node (JSON: labels, allow)
  reason why the tasks are held
  Result: {task id ('' for none), task hash as a flat list}; 'again' if the token has already brought a task; 'fenced'
  Invariant: as claim.lua. The pool's global concurrency and rate limit apply, too.
]]
--- @include layout
--- @include now
--- @include fence
--- @include fresh-token
--- @include limits
--- @include start-task

local poolName, node, incarnation, token, visibilityMs, record, reason = unpack(ARGV)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()
local claim = {at = string.format('%.0f', now), node = node, token = token, visibilityMs = visibilityMs, record = record}
local member = poolName .. ' ' .. reason
local list = mesh.heldTasks .. member

-- Maximum number of held tasks to check, the oldest first.
local LOOKED_AT = 200

-- Of a session, only the first task. Otherwise tasks with a priority come first, 1 before 2, and then the oldest.
local function candidates()
  local session = string.match(reason, '^session:(.*)$')
  if session then
    return {(firstOfSession(pool, list, redis.call('HGET', mesh.sessions .. session, 'task')))}
  end
  local ids = redis.call('ZRANGE', list, 0, LOOKED_AT - 1)
  local order, classes = {}, {}
  for i, id in ipairs(ids) do
    local priority = tonumber(redis.call('HGET', pool.tasks .. id, 'priority') or nil) or 0
    order[id], classes[id] = i, priority > 0 and priority or math.huge
  end
  table.sort(ids, function(a, b)
    if classes[a] ~= classes[b] then return classes[a] < classes[b] end
    return order[a] < order[b]
  end)
  return ids
end

if isFenced(mesh, node, incarnation) then
  return 'fenced'
end
if not isFresh(mesh, pool, node, token) then
  return 'again'
end
local closed, _, rateMs = poolLimits(pool)
if closed then
  return {'', {}}
end
for _, id in ipairs(candidates()) do
  redis.call('ZREM', list, id)
  -- The task may have been cancelled or removed in the meantime.
  if redis.call('ZREM', pool.delayed, id) == 1 then
    redis.call('LPUSH', pool.active, id)
    redis.call('HSET', pool.tasks .. id, 'delay', 0)
    redis.call('HDEL', pool.tasks .. id, 'cm:held')
    local fields = startTask(mesh, pool, id, claim, rateMs, now)
    -- If its session is busy, the task is now held for the session, and the next task may run.
    if fields then
      return {id, fields}
    end
  end
end
if redis.call('ZCARD', list) == 0 then
  redis.call('SREM', mesh.held, member)
end
return {'', {}}
