--[[
  A node gives a task back that it holds: it is stopping, and the run did not end in time.

  KEYS[1] active  KEYS[2] wait  KEYS[3] prioritized  KEYS[4] marker  KEYS[5] meta  KEYS[6] events  KEYS[7] handovers
  KEYS[8] failed  KEYS[9] cancelled  KEYS[10] pc  KEYS[11] task hash  KEYS[12] incarnations (hash)
  ARGV[1] task id   ARGV[2] lock token   ARGV[3] pool   ARGV[4] node id   ARGV[5] reason   ARGV[6] incarnation

  Result: 1 handed back, 0 the claim was no longer ours, -20 fenced (nothing changed)
  Invariant: the task is in exactly one of active and waiting before and after; it keeps its priority and its attempts, and
  whatever the reason is, it was not lost with its node.
]]
--- @include now
--- @include requeue-task

if redis.call('HGET', KEYS[12], ARGV[4]) ~= ARGV[6] then
  return -20
end
if redis.call('GET', KEYS[11] .. ':lock') ~= ARGV[2] then
  return 0
end
local keys = {unpack(KEYS, 1, 10)}
return requeueTask(keys, ARGV[3], ARGV[1], KEYS[11], ARGV[4], ARGV[5], 0, redisNow()) and 1 or 0
