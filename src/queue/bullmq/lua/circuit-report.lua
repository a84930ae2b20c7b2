--[[
  A run has told something about its provider. Repeated failures of different tasks, or one answer of the provider that it
  serves nobody, open its circuit for the whole mesh; a success closes it. While it's open one task at a time, the probe, may
  try.

  ARGV circuit   what was seen: 'ok', 'provider' (a failure that may be the task's own), 'outage' or 'rate_limit' (the provider said
  that it serves nobody), or 'unsure' (another failure)   error message   the task, as `<pool>:<id>`   when it was claimed (ms)
  failures in a row that open   shortest and longest time between probes (ms)   wait that the provider asked for (ms)
  time after which failures are forgotten (ms)   lock token of the run: a report that is sent again counts once

  Result: 1 if the circuit is open now, 0 if not
  Invariant: the version grows whenever a circuit appears, opens or closes, so that nodes know what they knew is old. One
  task alone opens no circuit by failures, however often it is tried.
]]
--- @include layout
--- @include now
--- @include mesh-event
--- @include probe

local name, seen, message, task, claimedAt, failuresToOpen, shortestMs, longestMs, askedMs, forgetMs, token = unpack(ARGV)
claimedAt, failuresToOpen, askedMs, forgetMs = tonumber(claimedAt), tonumber(failuresToOpen), tonumber(askedMs), tonumber(forgetMs)
local mesh, now = meshKeys(KEYS[1]), redisNow()
-- The last failed tasks and runs that are kept of a circuit.
local KEPT = 20

local circuit = readCircuit(mesh, name)
local isNew = not circuit
circuit = circuit or {failures = 0}
local wasOpen = circuit.openedAt ~= nil

local function event(what)
  meshEvent(mesh, what, now, {'circuit', name, 'reason', message})
end
local function save()
  circuit.lastAt = now
  storeCircuit(mesh, name, circuit)
end
-- A twentieth of the outage so far: soon back after a short one, little asked during a long one.
local function nextProbeAt()
  local pause = math.min(math.max((now - circuit.openedAt) / 20, tonumber(shortestMs)), tonumber(longestMs))
  return math.floor(now + math.max(pause, askedMs))
end
-- Adds `value` to a list of the last different ones. Returns whether it was not there.
local function note(list, value)
  for _, known in ipairs(list) do
    if known == value then return false end
  end
  list[#list + 1] = value
  if #list > KEPT then table.remove(list, 1) end
  return true
end
local function endProbe()
  circuit.probe, circuit.probeUntil = nil, nil
  circuit.dueAt = nextProbeAt()
end

if seen == 'ok' then
  -- A run that began before the outage says nothing about its end.
  -- The probe began after it, whatever a clock that went back says.
  if not isNew and not (wasOpen and claimedAt < circuit.openedAt and circuit.probe ~= task) then
    redis.call('HDEL', mesh.circuits, name)
    redis.call('INCR', mesh.circuitsVersion)
    if wasOpen then event('circuit-closed') end
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
local told = seen ~= 'provider'
local opens = not wasOpen and (told or (circuit.failures >= failuresToOpen and #circuit.tasks > 1))
if opens then
  circuit.openedAt = now
  event('circuit-opened')
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
