--[[
  A node takes the first due answer from the outboxes of its channels, and reserves it: until the reservation lapses,
  no other node sends it.

  ARGV node id   incarnation   token of this try   length of the reservation (ms)   '1' to take answers that an earlier
  incarnation of the node was sending   then names of outboxes
  Result: 'fenced', or an array: pool ('' for none), task id, outbox, number of the delivery, number of failed tries,
  age of the delivery (ms), the task's hash fields data, returnvalue, cm:error (each '' if missing), and the
  time until the next one is due (ms; -1 for none)
  Invariant: at most one token is reserved for an answer, and only a task that has ended and has a pending delivery is
  taken.
]]
--- @include layout
--- @include now
--- @include fence

local node, incarnation, token, reserveMs, resumes = unpack(ARGV)
local mesh, now = meshKeys(KEYS[1]), redisNow()
-- Tasks that another program has removed leave their entries; as many as this are dropped per outbox and call.
local STRAYS = 20
-- Reserved answers that are looked at per outbox and call: nodes send a few at once.
local RESERVED = 100

if isFenced(mesh, node, incarnation) then
  return 'fenced'
end

-- The first due entry of an outbox whose task still waits for its delivery.
local function firstDue(outbox)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', outbox, '-inf', now, 'LIMIT', 0, STRAYS)) do
    local poolName, id = string.match(member, '^(%S+) (%S+)$')
    local pool = poolName and poolKeys(mesh.prefix, poolName)
    local taskKey = pool and pool.tasks .. id
    local state = taskKey and redis.call('TYPE', taskKey).ok == 'hash' and redis.call('HGET', taskKey, 'cm:delivery')
    if state == 'pending' or state == 'sending' then
      return member, poolName, id
    end
    redis.call('ZREM', outbox, member)
  end
end

-- The first answer of an outbox that an earlier incarnation of this node was sending. Its gateway still knows the key.
local function firstOfPredecessor(outbox)
  local later = string.format('(%.0f', now)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', outbox, later, '+inf', 'LIMIT', 0, RESERVED)) do
    local poolName, id = string.match(member, '^(%S+) (%S+)$')
    local pool = poolName and poolKeys(mesh.prefix, poolName)
    local taskKey = pool and pool.tasks .. id
    local by = taskKey and redis.call('TYPE', taskKey).ok == 'hash' and redis.call('HGET', taskKey, 'cm:deliveryBy')
    local holder, theirs = string.match(by or '', '^([^~]+)~(%d+):')
    if holder == node and theirs ~= incarnation then
      return member, poolName, id
    end
  end
end

local taken
for i = 6, #ARGV do
  local box = ARGV[i]
  local member, poolName, id = firstDue(mesh.outbox .. box)
  if not member and resumes == '1' then
    member, poolName, id = firstOfPredecessor(mesh.outbox .. box)
  end
  if member then
    local pool = poolKeys(mesh.prefix, poolName)
    local taskKey = pool.tasks .. id
    redis.call('ZADD', mesh.outbox .. box, now + tonumber(reserveMs), member)
    redis.call('HSET', taskKey, 'cm:delivery', 'sending', 'cm:deliveryBy', token)
    local stored = redis.call('HMGET', taskKey, 'cm:ends', 'cm:deliveryTries', 'cm:deliveryAt', 'data', 'returnvalue',
      'cm:error')
    local ends, tries, begunAt = tonumber(stored[1] or nil) or 1, tonumber(stored[2] or nil) or 0, tonumber(stored[3] or nil)
    taken = {poolName, id, box, ends, tries, math.max(0, math.floor(now - (begunAt or now))), stored[4] or '',
      stored[5] or '', stored[6] or ''}
    break
  end
end

local next
for i = 6, #ARGV do
  local due = tonumber(redis.call('ZRANGE', mesh.outbox .. ARGV[i], 0, 0, 'WITHSCORES')[2] or nil)
  if due and (not next or due < next) then next = due end
end
taken = taken or {'', '', '', 0, 0, 0, '', '', ''}
taken[#taken + 1] = next and math.max(0, math.ceil(next - now)) or -1
return taken
