--[[
  A run reports on its provider. Repeated failures of different tasks, or one reply that the provider serves no
  requests, open its circuit for the whole mesh; a success closes it. While it is open, one task at a time, the probe,
  may run.

  ARGV circuit   observation: 'ok', 'provider' (a failure that may be the task's own), 'outage' or 'rate_limit' (the
  provider said that it serves no requests), or 'unsure' (another failure)   error message   the task, as
  `<pool>:<id>`   time of its claim (ms)   failures in a row that open   minimum and maximum time between probes (ms)
  wait that the provider asked for (ms)   time after which failures are forgotten (ms)   lock token of the run: a
  repeated report counts once
  Result: 1 if the circuit is open now, 0 if not
  Invariant: the version grows whenever a circuit appears, opens or closes, so that nodes notice that their view is
  old. Failures of a single task never open a circuit, however often it is tried.
]]
--- @include layout
--- @include now
--- @include mesh-event
--- @include probe

local name, seen, message, task, claimedAt, failuresToOpen, shortestMs, longestMs, askedMs, forgetMs, token = unpack(ARGV)
claimedAt, failuresToOpen, askedMs, forgetMs = tonumber(claimedAt), tonumber(failuresToOpen), tonumber(askedMs), tonumber(forgetMs)
local mesh, now = meshKeys(KEYS[1]), redisNow()
-- Number of failed tasks and runs that a circuit remembers.
local KEPT = 20

local circuit = readCircuit(mesh, name)
local isNew = not circuit
circuit = circuit or {failures = 0}
local wasOpen = circuit.openedAt ~= nil

local function save()
  circuit.lastAt = now
  storeCircuit(mesh, name, circuit)
end
-- A twentieth of the outage so far: quick recovery after a short outage, few probes during a long one.
local function nextProbeAt()
  local pause = math.min(math.max((now - circuit.openedAt) / 20, tonumber(shortestMs)), tonumber(longestMs))
  return math.floor(now + math.max(pause, askedMs))
end
-- Appends `value` to a list of the last distinct values. Returns whether it was new.
local function note(list, value)
  for _, known in ipairs(list) do
    if known == value then return false end
  end
  list[#list + 1] = value
  if #list > KEPT then table.remove(list, 1) end
  return true
end
local function endProbe()
  clearProbe(circuit)
  circuit.dueAt = nextProbeAt()
end

if seen == 'ok' then
  -- A run that started before the outage says nothing about its end. The probe started after it, even if a clock that
  -- went back shows otherwise.
  if not isNew and not (wasOpen and claimedAt < circuit.openedAt and circuit.probe ~= task) then
    redis.call('HDEL', mesh.circuits, name)
    redis.call('INCR', mesh.circuitsVersion)
    if wasOpen then meshEvent(mesh, 'circuit-closed', now, {'circuit', name, 'reason', message}) end
    return 0
  end
  return wasOpen and 1 or 0
end
if seen == 'unsure' then
  if wasOpen and circuit.probe == task then
    endProbe()
    save()
  end
  return wasOpen and 1 or 0
end
if not wasOpen and circuit.lastAt and now - circuit.lastAt > forgetMs then
  circuit.failures, circuit.tasks, circuit.runs = 0, nil, nil
end
circuit.tasks, circuit.runs = circuit.tasks or {}, circuit.runs or {}
if note(circuit.runs, token) then circuit.failures = circuit.failures + 1 end
note(circuit.tasks, task)
circuit.kind = seen == 'outage' and 'provider' or seen
circuit.message = message
local reported = seen ~= 'provider'
local opens = not wasOpen and (reported or (circuit.failures >= failuresToOpen and #circuit.tasks > 1))
if opens then
  circuit.openedAt = now
  meshEvent(mesh, 'circuit-opened', now, {'circuit', name, 'reason', message})
end
if opens or circuit.probe == task then
  endProbe()
elseif wasOpen then
  circuit.dueAt = math.max(circuit.dueAt, math.floor(now + askedMs))
end
save()
if opens or isNew then
  redis.call('INCR', mesh.circuitsVersion)
end
return circuit.openedAt and 1 or 0
