--[[
  Tasks of a pool are held for one node: the home of their session, or the one that they would rather run on. Tells that
  node where it is there; where it is gone, lets the tasks go on elsewhere: of a session the first, else some per call.

  KEYS[1] held tasks of this pool and reason (sorted set)  KEYS[2] set of what is held  KEYS[3] session (hash)
  KEYS[4] leases  KEYS[5] nodes  KEYS[6] control  KEYS[7] delayed
  KEYS[8] wait  KEYS[9] prioritized  KEYS[10] marker  KEYS[11] meta  KEYS[12] events  KEYS[13] pc
  ARGV[1] member of KEYS[2]   ARGV[2] prefix of the pool's tasks   ARGV[3] prefix of all tasks   ARGV[4] tasks per call
  ARGV[5] node, '' where they wait for a session

  Result: {node that may take them now, or '', released}
  Invariant: of a session, no task is let go while another one of it is under way.
]]
--- @include now
--- @include enter-session
--- @include back-in-queue

local now = redisNow()
local ofSession = ARGV[5] == ''
local home = ARGV[5]
local ids, current = {}, nil
if ofSession then
  local first = firstOfSession(KEYS[1], KEYS[7])
  local state = redis.call('HMGET', KEYS[3], 'node', 'task')
  home, current = state[1] or '', state[2] or nil
  if first and sessionTask(current, ARGV[3]) then
    return {'', 0}
  end
  ids = {first}
else
  -- The newest first, each to the head: the oldest ends up before all.
  ids = redis.call('ZREVRANGE', KEYS[1], 0, tonumber(ARGV[4]) - 1)
end
if #ids == 0 then
  redis.call('SREM', KEYS[2], ARGV[1])
  return {'', 0}
end
if home ~= '' and nodeThere({KEYS[4], KEYS[5], KEYS[6]}, home, now) then
  return {home, 0}
end

local released = 0
for _, id in ipairs(ids) do
  local jobKey = ARGV[2] .. id
  redis.call('ZREM', KEYS[1], id)
  -- Somebody may have cancelled it meanwhile.
  if redis.call('ZREM', KEYS[7], id) == 1 then
    redis.call('HDEL', jobKey, 'cm:held')
    redis.call('HSET', jobKey, 'delay', 0)
    if ofSession then
      -- Until it is claimed, too, or the next sweep would let the one behind it overtake it.
      occupy(KEYS[3], current, string.sub(jobKey, #ARGV[3] + 1))
    else
      redis.call('HSET', jobKey, 'cm:fellBack', 1)
    end
    backInQueue({unpack(KEYS, 8, 13)}, id, jobKey, true, 'delayed')
    released = released + 1
  end
end
return {'', released}
