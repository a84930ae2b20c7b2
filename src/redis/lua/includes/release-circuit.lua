--- @include release-task
--- @include probe

-- Tasks of a pool that are held for a circuit: all of them once it has closed, one at a time as its probe while it is open.
-- Returns how many were looked at, how many were released, and 0 if there are more to release at once.
local function releaseCircuit(queue, index, base, circuitsKey, name, most, now)
  local released = 0
  local circuit = readCircuit(circuitsKey, name)
  if not circuit or not circuit.openedAt then
    -- The newest first, each to the head: the oldest ends up before all.
    local ids = redis.call('ZREVRANGE', index, 0, most - 1)
    for _, id in ipairs(ids) do
      if releaseTask(queue, index, id, true) then released = released + 1 end
    end
    return #ids, released, #ids == most and 0 or nil
  end
  local tasks = base .. ':'
  if probeLives(circuit, tasks, now) then return 1, 0, nil end

  local rests = circuit.rests or {}
  -- No node has claimed it in time; let another pool name the next one.
  local waited = circuit.probe and now >= (circuit.probeUntil or 0)
    and redis.call('EXISTS', tasks .. circuit.probe .. ':lock') == 0
  if waited then
    rests[string.match(circuit.probe, '^([^:]*)')] = now + POOL_REST_MS
    circuit.rests, circuit.probe, circuit.probeUntil = rests, nil, nil
    redis.call('HSET', circuitsKey, name, cjson.encode(circuit))
  end
  local paused = redis.call('HEXISTS', queue.back[4], 'paused') == 1
  if paused or now < circuit.dueAt or now < (rests[queue.pool] or 0) then return 1, 0, nil end

  local first, firstDueAt
  local ids = redis.call('ZRANGE', index, 0, most - 1)
  for _, id in ipairs(ids) do
    if redis.call('ZSCORE', queue.delayed, id) then
      local dueAt = probeDueAt(circuit, queue.tasks .. id)
      if not first or dueAt < firstDueAt then first, firstDueAt = id, dueAt end
      -- One that has its free run yet; there is none that is due before it.
      if firstDueAt == circuit.dueAt then break end
    else
      redis.call('ZREM', index, id)
    end
  end
  if first and now >= firstDueAt and releaseTask(queue, index, first, true) then
    setProbe(circuit, queue.pool, first, now + PROBE_WAIT_MS)
    redis.call('HSET', circuitsKey, name, cjson.encode(circuit))
    released = 1
  end
  return #ids, released, nil
end
