-- While a circuit is open, one task at a time, the probe, checks whether the provider has recovered. `circuit.probe`
-- names it as `<pool>:<id>`, so that it is found in any pool. It counts only until `circuit.probeUntil` (Redis time,
-- ms), so that a lost probe can't keep the circuit open. `circuit.probeClaimed` tells that a node has claimed it: the
-- task itself does not, once its claim has lapsed or the task was requeued.

-- How long a probe may wait for a node, ms. A probe that is claimed later is held again, so a short time costs
-- nothing.
local PROBE_WAIT_MS = 30000
-- How long the run of a probe may take before another task may probe as well, ms: the limit by which a long run delays
-- recovery.
local PROBE_RUN_MS = 300000
-- How long a pool provides no probe after no node claimed its last one in time, ms: it is paused, or no node serves
-- it.
local POOL_REST_MS = 120000
-- A task that has used its free run is tried again only after a pause: 10 s, then 30 times as long for each used
-- attempt, at most an hour. So a single task with the default of 3 attempts outlives an hour of outage.
local SPENT_PAUSE_MS, SPENT_FACTOR, SPENT_MOST_MS = 10000, 30, 3600000

-- The stored circuit; nil if there is none, or the entry is unreadable.
local function readCircuit(mesh, name)
  local readable, circuit = pcall(cjson.decode, redis.call('HGET', mesh.circuits, name) or '')
  if not readable or type(circuit) ~= 'table' or (circuit.openedAt and not tonumber(circuit.dueAt)) then return nil end
  return circuit
end

local function storeCircuit(mesh, name, circuit)
  redis.call('HSET', mesh.circuits, name, cjson.encode(circuit))
end

-- Whether the probe can still report on the provider: it has not ended, is not gone, and is neither held nor
-- cancelled.
local function probeLives(mesh, circuit, now)
  if not circuit.probe or now >= (circuit.probeUntil or 0) then return false end
  local taskKey = mesh.prefix .. ':' .. circuit.probe
  local fields = redis.call('HMGET', taskKey, 'timestamp', 'finishedOn', 'cm:held', 'cm:cancel')
  return fields[1] and not fields[2] and not fields[3] and not fields[4]
end

-- When the task may become the probe (Redis time, ms).
local function probeDueAt(circuit, taskKey)
  local fields = redis.call('HMGET', taskKey, 'cm:holds', 'atm')
  if (tonumber(fields[1] or '0') or 0) == 0 then return circuit.dueAt end
  local used = tonumber(fields[2] or '0') or 0
  return circuit.dueAt + math.min(SPENT_PAUSE_MS * SPENT_FACTOR ^ used, SPENT_MOST_MS)
end

-- claimed: true if a node has claimed the task, nil if it waits for a node
local function setProbe(circuit, pool, id, untilTime, claimed)
  circuit.probe = pool.name .. ':' .. id
  circuit.probeUntil = math.floor(untilTime)
  circuit.probeClaimed = claimed
end

local function clearProbe(circuit)
  circuit.probe, circuit.probeUntil, circuit.probeClaimed = nil, nil, nil
end
