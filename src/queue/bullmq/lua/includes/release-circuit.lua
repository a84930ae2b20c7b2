--- @include release-task
--- @include probe

-- Whether no node has claimed the probe in time. A task that is active counts as claimed, even if its claim has lapsed,
-- or its node has not told the circuit yet.
local function probeUnclaimed(mesh, circuit, now)
  if not circuit.probe or circuit.probeClaimed or now < (circuit.probeUntil or 0) then return false end
  return redis.call('HEXISTS', mesh.prefix .. ':' .. circuit.probe, 'processedOn') == 0
end

-- Tasks of a pool that are held for a circuit: all are released once it has closed, and one at a time as its probe
-- while it is open.
-- Returns the numbers of checked and released tasks, and 0 if there are more to release at once.
local function releaseCircuit(mesh, pool, list, name, most, now)
  local released = 0
  local circuit = readCircuit(mesh, name)
  if not circuit or not circuit.openedAt then
    -- The newest first, each to the head, so that the oldest ends up first.
    local ids = redis.call('ZREVRANGE', list, 0, most - 1)
    for _, id in ipairs(ids) do
      if releaseTask(pool, list, id, true) then released = released + 1 end
    end
    return #ids, released, #ids == most and 0 or nil
  end
  if probeLives(mesh, circuit, now) then return 1, 0, nil end

  local rests = circuit.rests or {}
  if probeUnclaimed(mesh, circuit, now) then
    -- Let another pool provide the next one.
    rests[string.match(circuit.probe, '^([^:]*)')] = now + POOL_REST_MS
    circuit.rests = rests
    clearProbe(circuit)
    storeCircuit(mesh, name, circuit)
  end
  local paused = redis.call('HEXISTS', pool.meta, 'paused') == 1
  if paused or now < circuit.dueAt or now < (rests[pool.name] or 0) then return 1, 0, nil end

  local first, firstDueAt
  local ids = redis.call('ZRANGE', list, 0, most - 1)
  for _, id in ipairs(ids) do
    if redis.call('ZSCORE', pool.delayed, id) then
      local dueAt = probeDueAt(circuit, pool.tasks .. id)
      if not first or dueAt < firstDueAt then first, firstDueAt = id, dueAt end
      -- This task still has its free run, so no other task is due before it.
      if firstDueAt == circuit.dueAt then break end
    else
      redis.call('ZREM', list, id)
    end
  end
  if first and now >= firstDueAt and releaseTask(pool, list, first, true) then
    setProbe(circuit, pool, first, now + PROBE_WAIT_MS)
    storeCircuit(mesh, name, circuit)
    released = 1
  end
  return #ids, released, nil
end
