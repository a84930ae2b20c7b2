--[[
  A node takes the first task that is held for it and may run now, by priority, then by age, where there is one: the
  claim of a
  task that only some nodes may run, or whose session is sticky to this node. Of a session that is busy with a held
  task, it is that one.

  ARGV pool   node id   incarnation   lock token   visibility timeout (ms)   record: what the node is (JSON: labels,
  allow)
  reason why the tasks are held

  Result: {task id ('' for none), task hash as a flat list}; 'again' where the token has brought a task before; 'fenced'
  Invariant: as claim.lua. The pool's global concurrency and rate limit hold, too.
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

-- So many held tasks are looked at, the oldest.
local LOOKED_AT = 200

-- The first of a session, behind which its others wait, else those with a priority first, 1 before 2, and then by age.
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
  -- Somebody may have cancelled or removed it meanwhile.
  if redis.call('ZREM', pool.delayed, id) == 1 then
    redis.call('LPUSH', pool.active, id)
    redis.call('HSET', pool.tasks .. id, 'delay', 0)
    redis.call('HDEL', pool.tasks .. id, 'cm:held')
    local fields = startTask(mesh, pool, id, claim, rateMs, now)
    -- If its session is busy, it is held for that from here on, and the next one may run.
    if fields then
      return {id, fields}
    end
  end
end
if redis.call('ZCARD', list) == 0 then
  redis.call('SREM', mesh.held, member)
end
return {'', {}}
