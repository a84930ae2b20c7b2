--[[
  Admits a task to its session after its claim, if another program or a schedule queued it. The hash of such a task
  has no field for the session, so the claim could not check it. Only a node may parse the task itself, not a script:
  two JSON parsers may read one text differently.

  ARGV pool   node id   incarnation   lock token   task id   its session (`<agent>|<session>`)   its needs (see
  `needsOf` in domain/target.ts)   record of the node (JSON: labels, allow)
  Result: {previous sticky node of the session, '' for none}; 'held' if the task has to wait; 'fenced'; 'claim-gone'
  Invariant: from here on, the task is like one that clawmesh has queued.
]]
--- @include layout
--- @include now
--- @include fence
--- @include enter-session

local poolName, node, incarnation, token, id, session, needs, record = unpack(ARGV)
local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName)
local taskKey = pool.tasks .. id

local refused = refusal(mesh, node, incarnation, taskKey, token)
if refused then
  return refused
end
redis.call('HSET', taskKey, 'cm:session', session, 'cm:needs', needs)
local mayRun, movedFrom = enterSession(mesh, pool, id, session, {node = node, token = token, record = record}, redisNow())
return mayRun and {movedFrom or ''} or 'held'
