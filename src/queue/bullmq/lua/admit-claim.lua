--[[
  A node has claimed a task of a session that another program than clawmesh has queued, or a schedule: in its hash there
  is
  no field yet that names the session, so that the claim could not look at that. What such a task wants is only known to
  who
  can read it, which no script does: two parsers of JSON may see different things in one text.

  ARGV pool   node id   incarnation   lock token   task id   its session (`<agent>|<session>`)   what it needs (see
  `needsOf` in
  domain/target.ts)   record: what the node is (JSON: labels, allow)

  Result: {the node that was the session's sticky node before, '' for none}; 'held' if it has to wait; 'fenced';
  'claim-gone'
  Invariant: from here on the task is as one that clawmesh has queued.
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
