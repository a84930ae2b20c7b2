--[[
  Runs in front of BullMQ's moveToActive, in the same step: refuses a fenced incarnation, one that does not know the newest
  state of the circuits, and one that the strategy gives no task; replaces the caller's clock by Redis time, so that a
  Mac with a wrong clock neither starts delayed tasks early nor writes wrong times.

  KEYS[12] incarnations (hash)   KEYS[13] version of the circuits
  ARGV[4] node id   ARGV[5] incarnation   ARGV[6] known version of the circuits
  ARGV[7] '' to take a task whatever the strategy says, else '<strategy> <free slots of this pool> <running> <slots> <pressure>'
  ARGV[8] names (JSON): see Asking in queue/asking.ts     BullMQ's ARGV[2] is the time (ms)

  Result: -20 if fenced, -21 if the circuits have changed, -22 if the strategy gives the task to another node, else what
  BullMQ answers, or {'again'} where the task has been held for its session
]]
--- @include now
if redis.call('HGET', KEYS[12], ARGV[4]) ~= ARGV[5] then
  return -20
end
if (redis.call('GET', KEYS[13]) or '0') ~= ARGV[6] then
  return -21
end
local now, node, names, incarnations = redisNow(), ARGV[4], ARGV[8], KEYS[12]
ARGV[2] = string.format('%.0f', now)
-- What most claims do not need is neither decoded nor defined: that would cost more than the rest.
if ARGV[7] ~= '' then
--- @include dispatch
  if not mayTake({KEYS[1], KEYS[3], KEYS[7], KEYS[9]}, KEYS[12], cjson.decode(names), node, ARGV[5], ARGV[7], now) then
    return -22
  end
end
