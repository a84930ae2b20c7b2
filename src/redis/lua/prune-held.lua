--[[
  Looks through tasks that are held back for one reason, and drops those that are not held any more: somebody has cancelled
  or removed them. A reason that holds nothing is dropped, too.

  KEYS[1] held tasks of this pool and reason (sorted set)  KEYS[2] set of what is held  KEYS[3] delayed
  ARGV[1] member of KEYS[2]   ARGV[2] first task to look at   ARGV[3] tasks looked at

  Result: next task to look at, 0 when through
]]
local first, size = tonumber(ARGV[2]), tonumber(ARGV[3])
local ids = redis.call('ZRANGE', KEYS[1], first, first + size - 1)
local dropped = 0
for _, id in ipairs(ids) do
  if not redis.call('ZSCORE', KEYS[3], id) then
    dropped = dropped + redis.call('ZREM', KEYS[1], id)
  end
end
if redis.call('ZCARD', KEYS[1]) == 0 then
  redis.call('SREM', KEYS[2], ARGV[1])
end
return #ids == size and first + size - dropped or 0
