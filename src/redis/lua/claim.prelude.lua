--[[
  Runs in front of BullMQ's moveToActive, in the same step: refuses a fenced incarnation, one that does not know the newest
  state of the circuits, one that was sent before, and one that the strategy gives no task; gives BullMQ its keys and
  arguments, and Redis time, so that a Mac with a wrong clock neither starts delayed tasks early nor writes wrong times.

  KEYS[1] the pool's list `wait`
  ARGV[1] lock token   ARGV[2] visibility timeout (ms)   ARGV[3] node id   ARGV[4] incarnation   ARGV[5] known version of the circuits
  ARGV[6] '' to take a task whatever the strategy says, else what the strategy is to know (includes/dispatch.lua)
  ARGV[7] names (JSON): see Asking in queue/asking.ts

  Result: -20 if fenced, -21 if the circuits have changed, -22 if the strategy gives the task to another node, else what
  BullMQ answers, or {'again'} where the task has been held for its session, or the token has brought a task before
  Invariant: no two tasks ever get the same lock token.
]]
--- @include now
--- @include fresh-token
--- @include all-names
--- @include own-keys
local node, names = ARGV[3], ARGV[7]
if redis.call('HGET', incarnations, node) ~= ARGV[4] then
  return -20
end
if (redis.call('GET', mesh .. '/circuits:version') or '0') ~= ARGV[5] then
  return -21
end
if not isFresh(ARGV[1], redis.call('HGET', mesh .. '/tokens', string.sub(base, #mesh + 2) .. node)) then
  return {'again'}
end
local now = redisNow()
KEYS[11] = base .. 'marker'
-- What most claims do not need is neither decoded nor defined: that would cost more than the rest.
if ARGV[6] ~= '' then
--- @include dispatch
  if not mayTake({KEYS[1], KEYS[3], KEYS[7], KEYS[9]}, incarnations, allNames(names), node, ARGV[4], ARGV[6], now) then
    return -22
  end
end
local bullOptions = {token = ARGV[1], lockDuration = ARGV[2], name = node}
ARGV[1], ARGV[2] = base, string.format('%.0f', now)
