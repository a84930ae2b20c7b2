-- Dispatch without a dispatcher (docs/adr/0008): the strategy decides in the same step as the claim. A node may claim
-- a task if it would get one of the waiting tasks when they were dealt out one after the other. Otherwise the nodes
-- that would get them are woken.

-- Number of waiting tasks of a pool: tasks in line, and delayed tasks that are due. BullMQ's score of a delayed task
-- has the time in its upper bits, above a counter of 12 bits.
local function tasksWaiting(pool, now)
  if redis.call('HEXISTS', pool.meta, 'paused') == 1 then
    return 0
  end
  return redis.call('LLEN', pool.wait) + redis.call('ZCARD', pool.prioritized)
    + redis.call('ZCOUNT', pool.delayed, 0, (now + 1) * 0x1000 - 1)
end

-- Whether the node `me` may take a task of the pool.
-- `free`: hash, node → '<incarnation> <free slots> <called at>'   `turns`: hash, node → its turn, '' → the last turn
-- mesh.loads: hash, node → '<running> <slots> <pressure>', all pools together
-- offer: '<strategy> <free slots of this pool> <running> <slots> <pressure> <patience>', as of right before the claim.
-- A called node that has not asked within the patience (ms) is skipped until it asks by itself
local function mayTake(mesh, pool, me, incarnation, offer, now)
  local strategy, free, running, slots, pressure, patience = string.match(offer, '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$')
  free, running, slots, pressure = tonumber(free), tonumber(running), tonumber(slots), tonumber(pressure)
  local dispatch, waiting = dispatchKeys(mesh.prefix, pool.name), tasksWaiting(pool, now)
  local nodes, entries = {me}, {}
  local list = redis.call('HGETALL', dispatch.free)
  for i = 1, #list, 2 do
    if list[i] ~= me then
      local current, theirFree, calledAt = string.match(list[i + 1], '^(%d+) (%d+) (%d+)$')
      nodes[#nodes + 1] = list[i]
      entries[#nodes] = {incarnation = current, free = tonumber(theirFree), calledAt = tonumber(calledAt)}
    end
  end
  local lastTurn = tonumber(redis.call('HGET', dispatch.turns, '') or '0')
  local turns = redis.call('HMGET', dispatch.turns, unpack(nodes))
  local function turnOf(i)
    return math.max(lastTurn, tonumber(turns[i] or '0'))
  end

  local myLoad, myTurn = (running + 1) * pressure / slots, turnOf(1)
  redis.call('DEL', dispatch.wakeups .. me)
  redis.call('HSET', mesh.loads, me, table.concat({running, slots, pressure}, ' '))
  redis.call('HSET', dispatch.free, me, incarnation .. ' ' .. free .. ' 0')
  if waiting == 0 then
    return true
  end

  if #nodes > 1 then
    local loads = redis.call('HMGET', mesh.loads, unpack(nodes))
    local incarnations = redis.call('HMGET', mesh.incarnations, unpack(nodes))
    local before, called = 0, {}
    for i = 2, #nodes do
      local other = entries[i]
      if incarnations[i] ~= other.incarnation then
        redis.call('HDEL', dispatch.free, nodes[i])
      elseif loads[i] and (other.calledAt == 0 or now - other.calledAt <= tonumber(patience)) then
        local theirRunning, theirSlots, theirPressure = string.match(loads[i], '^(%S+) (%S+) (%S+)$')
        local taken = 0
        while taken < other.free and before < waiting do
          -- Turns are shorter on larger nodes: a node with 8 slots gets eight turns for each turn of a node with one
          -- slot.
          local load = strategy == 'least-loaded' and (theirRunning + taken + 1) * theirPressure / theirSlots or myLoad
          local turn = turnOf(i) + taken / theirSlots
          local first = load < myLoad
            or (load == myLoad and (turn < myTurn or (turn == myTurn and nodes[i] < me)))
          if not first then break end
          taken = taken + 1
          before = before + 1
        end
        if taken > 0 then called[#called + 1] = i end
      end
      if before >= waiting then break end
    end
    if before >= waiting then
      for _, i in ipairs(called) do
        local other = entries[i]
        if other.calledAt == 0 then
          redis.call('HSET', dispatch.free, nodes[i], other.incarnation .. ' ' .. other.free .. ' ' .. string.format('%.0f', now))
        end
        redis.call('ZADD', dispatch.wakeups .. nodes[i], 0, '0')
        redis.call('PEXPIRE', dispatch.wakeups .. nodes[i], 60000)
      end
      return false
    end
  end

  redis.call('HSET', dispatch.turns, me, string.format('%.6f', myTurn + 1 / slots), '', string.format('%.6f', myTurn))
  redis.call('HSET', mesh.loads, me, table.concat({running + 1, slots, pressure}, ' '))
  if free > 1 then
    redis.call('HSET', dispatch.free, me, incarnation .. ' ' .. (free - 1) .. ' 0')
  else
    redis.call('HDEL', dispatch.free, me)
  end
  return true
end
