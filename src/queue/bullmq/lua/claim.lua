--[[
  A node claims the next task of a pool, if there is one for it.

  ARGV pool   node id   incarnation   lock token   visibility timeout (ms)   record of the node (JSON: labels, allow)
  known version of the circuits   offer: '' to claim regardless of the strategy, else see includes/dispatch.lua
  Result: {task id ('' for none), task hash as a flat list, how long the pool gives no task (ms, 0: not known), when
  the next delayed task is due (ms, 0: there is none)}; 'again' if the token has already brought a task, or a task had
  to be held for its session; 'fenced'; 'circuits-changed'; 'for-another-node' if the strategy prefers another node
  Invariant: lock, start and owner are set in the step that makes the task active, and no two tasks ever get the same
  token. Times are Redis time, so that a Mac with a wrong clock neither starts delayed tasks early nor writes wrong
  times.
]]
--- @include layout
--- @include now
--- @include fence
--- @include fresh-token
--- @include dispatch
--- @include take-next

local poolName, node, incarnation, token, visibilityMs, record, circuitsVersion, offer = unpack(ARGV)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()

if isFenced(mesh, node, incarnation) then
  return 'fenced'
end
if (redis.call('GET', mesh.circuitsVersion) or '0') ~= circuitsVersion then
  return 'circuits-changed'
end
if not isFresh(mesh, pool, node, token) then
  return 'again'
end
if offer ~= '' and not mayTake(mesh, pool, node, incarnation, offer, now) then
  return 'for-another-node'
end
local claim = {at = string.format('%.0f', now), node = node, token = token, visibilityMs = visibilityMs, record = record}
local next = takeNext(mesh, pool, claim, now)
if next == 'again' or next[1] ~= '' then
  -- The node's wake-up for this task may have removed the marker. More tasks may wait, for the next node.
  redis.call('ZADD', pool.marker, '0', '0')
end
return next
