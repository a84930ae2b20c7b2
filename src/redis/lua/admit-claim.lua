--[[
  A node has claimed a task of a session that another program than clawmesh has queued, or a schedule: in its hash there is
  no field yet that names the session, so that the claim could not look at that. What such a task wants is only known to who
  can read it, which no script does: two parsers of JSON may see different things in one text.

  KEYS[1] incarnations (hash)  KEYS[2] task hash  KEYS[3] active  KEYS[4] delayed  KEYS[5] events
  ARGV[1] node id  ARGV[2] incarnation  ARGV[3] lock token  ARGV[4] task id  ARGV[5] its session, `<agent>|<session>`
  ARGV[6] what it needs, see `needsOf` in domain/target.ts   ARGV[7] names (JSON): see Asking in queue/asking.ts

  Result: {the node that was the session's home before, '' for none}, 'held' if it has to wait, -20 fenced, -6 the claim
  is not ours
  Invariant: from here on the task is as one that clawmesh has queued.
]]
--- @include now
--- @include all-names
--- @include enter-session

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return -20
end
if redis.call('GET', KEYS[2] .. ':lock') ~= ARGV[3] then
  return -6
end
redis.call('HSET', KEYS[2], 'cm:session', ARGV[5], 'cm:needs', ARGV[6])
local mayRun, movedFrom = enterSession({KEYS[3], KEYS[4], KEYS[5], KEYS[1]}, allNames(ARGV[7]), ARGV[1], ARGV[4], ARGV[5],
  redisNow())
return mayRun and {movedFrom or ''} or 'held'
