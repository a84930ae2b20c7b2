--[[
  Somebody removes a task that no node runs, whatever its state.

  KEYS[1] task hash  KEYS[2] wait  KEYS[3] prioritized  KEYS[4] delayed  KEYS[5] completed  KEYS[6] failed
  KEYS[7] cancelled  KEYS[8] waiting-children  KEYS[9] acknowledged  KEYS[10] events
  ARGV[1] task id   ARGV[2] prefix of idempotency keys   ARGV[3] '1' to remove it only if it has failed

  Result: 'gone', 'active' or 'other' (it is not failed; nothing is changed), or 'removed'
]]
--- @include drop-held
--- @include forget-task

if redis.call('EXISTS', KEYS[1]) == 0 then
  return 'gone'
end
if ARGV[3] == '1' and not redis.call('ZSCORE', KEYS[6], ARGV[1]) then
  return 'other'
end
local found = redis.call('LREM', KEYS[2], 1, ARGV[1])
for i = 3, 8 do
  found = found + redis.call('ZREM', KEYS[i], ARGV[1])
end
if found == 0 then
  return 'active'
end
redis.call('ZREM', KEYS[9], ARGV[1])
dropHeld(ARGV[1], KEYS[1])
forgetTask(ARGV[1], KEYS[1], ARGV[2], 0)
redis.call('XADD', KEYS[10], 'MAXLEN', '~', 10000, '*', 'event', 'removed', 'jobId', ARGV[1], 'prev', 'waiting')
return 'removed'
