--- @include release-task

-- Tasks of a pool that are held for a circuit: all of them once it has closed, one at a time as its probe while it is open.
-- Returns how many were looked at, how many were released, and 0 if there are more to release at once.
local function releaseCircuit(queue, index, circuitsKey, name, most, now)
  local released = 0
  local raw = redis.call('HGET', circuitsKey, name)
  local circuit = raw and cjson.decode(raw)
  if not circuit or not circuit.openedAt then
    -- The newest first, each to the head: the oldest ends up before all.
    local ids = redis.call('ZREVRANGE', index, 0, most - 1)
    for _, id in ipairs(ids) do
      if releaseTask(queue, index, id, true) then released = released + 1 end
    end
    return #ids, released, #ids == most and 0 or nil
  end
  -- The probe of a node that died is still going on elsewhere; one that has ended otherwise is none any more.
  if circuit.probe then
    local probeKey = queue.tasks .. circuit.probe
    local alive = redis.call('EXISTS', probeKey) == 0 or redis.call('HEXISTS', probeKey, 'finishedOn') == 0
    if redis.call('EXISTS', probeKey) == 1 and redis.call('HEXISTS', probeKey, 'cm:held') == 1 then alive = false end
    if not alive then circuit.probe = nil end
  end
  if not circuit.probe and now >= circuit.dueAt then
    for _, id in ipairs(redis.call('ZRANGE', index, 0, 9)) do
      if releaseTask(queue, index, id, true) then
        circuit.probe = id
        redis.call('HSET', circuitsKey, name, cjson.encode(circuit))
        return 1, 1, nil
      end
    end
  end
  return 1, 0, nil
end
