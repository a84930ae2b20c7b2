--[[
  A node has claimed a task whose provider's circuit may be open, or has seen its run fail because of that, or a task that
  is for another node: the task leaves the queue until what it waits for comes. It uses up no handover, and an attempt only
  after a run that has failed, where its one free run is used up.

  KEYS[1] incarnations (hash)  KEYS[2] circuits (hash)  KEYS[3] active  KEYS[4] delayed  KEYS[5] task hash
  KEYS[6] held tasks of this pool and reason (sorted set)  KEYS[7] set of what is held  KEYS[8] events
  ARGV[1] node id  ARGV[2] incarnation  ARGV[3] lock token  ARGV[4] task id  ARGV[5] circuit, '' for another reason  ARGV[6] member for KEYS[7]
  ARGV[7] why the run failed, '' where it has not begun   ARGV[8] score for delayed tasks that wait for no time
  ARGV[9] what holds it   ARGV[10] pool   ARGV[11] attempts that the task has
  ARGV[12] its session, `<agent>|<session>`, '' for none   ARGV[13] '1' if the task would rather run on this node, else ''
  ARGV[14] the tasks that it comes after, '<pool>:<id> ...', where its hash does not name them yet, else ''

  Result: 1 held, 0 the task may run (the circuit is closed, or this is the probe), 2 its run has failed and it has no
  further one (nothing has changed), -20 fenced, -6 the claim is not ours
  Invariant: the task is in exactly one of active and delayed before and after.
]]
--- @include now
--- @include close-attempt
--- @include hold-claimed
--- @include probe
--- @include paid-by

if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return -20
end
if redis.call('GET', KEYS[5] .. ':lock') ~= ARGV[3] then
  return -6
end
local now = redisNow()
if ARGV[7] == '' and ARGV[5] ~= '' then
  local circuit = readCircuit(KEYS[2], ARGV[5])
  if not circuit or not circuit.openedAt then
    return 0
  end
  local tasks = string.sub(KEYS[5], 1, -#(ARGV[10] .. ':' .. ARGV[4]) - 1)
  local isProbe = circuit.probe == ARGV[10] .. ':' .. ARGV[4]
  if isProbe or (not probeLives(circuit, tasks, now) and now >= probeDueAt(circuit, KEYS[5])) then
    setProbe(circuit, ARGV[10], ARGV[4], now + PROBE_RUN_MS)
    redis.call('HSET', KEYS[2], ARGV[5], cjson.encode(circuit))
    return 0
  end
end
if ARGV[7] == '' then
  -- It was claimed in vain; nothing has happened to it, nor to its session.
  redis.call('HDEL', KEYS[5], 'processedOn', 'pb', 'progress')
  if ARGV[12] ~= '' then
    local key = string.match(KEYS[7], '^(.*)/held$') .. '/session:' .. ARGV[12]
    local entered = redis.call('HMGET', key, 'claim', 'homeBefore')
    if entered[1] == ARGV[3] then
      if entered[2] == '' then
        redis.call('HDEL', key, 'node')
      else
        redis.call('HSET', key, 'node', entered[2])
        redis.call('HDEL', KEYS[5], 'cm:movedFrom')
      end
    end
  end
  if ARGV[5] == '' and ARGV[13] == '1' then
    -- Not even the node that it would rather run on may run it: whoever may does.
    redis.call('HSET', KEYS[5], 'cm:fellBack', 1)
  end
  if ARGV[14] ~= '' then
    redis.call('HSET', KEYS[5], 'cm:after', ARGV[14])
  end
else
  local payment = paidBy(KEYS[5], ARGV[11])
  if not payment then return 2 end
  closeAttempt(KEYS[5], 'retry', ARGV[7], now)
  redis.call('HINCRBY', KEYS[5], payment, 1)
end
if string.find(ARGV[6], ' allow:', 1, true) or string.find(ARGV[6], '&allow:', 1, true)
  or string.find(ARGV[6], ' format:', 1, true) then
  redis.call('HSET', KEYS[5], 'cm:notAllowedOn', ARGV[1])
end
holdClaimed({KEYS[3], KEYS[4], KEYS[8], KEYS[7], KEYS[6]}, ARGV[4], KEYS[5], ARGV[6], now, ARGV[8], ARGV[9])
return 1
