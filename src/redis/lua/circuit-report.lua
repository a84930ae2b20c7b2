--[[
  A run has told something about its provider. Repeated failures of different tasks, or one answer of the provider that it
  serves nobody, open its circuit for the whole mesh; a success closes it. While it's open one task at a time, the probe, may
  try.

  KEYS[1] circuits (hash: circuit → JSON)   KEYS[2] version of the circuits   KEYS[3] events of the mesh (stream)
  ARGV[1] circuit   ARGV[2] what was seen: 'ok', 'provider' (a failure that may be the task's own), 'outage' or 'rate_limit'
  (the provider said that it serves nobody), or 'unsure' (another failure)
  ARGV[3] error message   ARGV[4] the task, as `<pool>:<id>`   ARGV[5] when it was claimed (ms)
  ARGV[6] failures in a row that open   ARGV[7] shortest   ARGV[8] longest time between probes (ms)
  ARGV[9] wait that the provider asked for (ms)   ARGV[10] time after which failures are forgotten (ms)
  ARGV[11] lock token of the run: a report that is sent again counts once

  Result: 1 if the circuit is open now, 0 if not
  Invariant: the version grows whenever a circuit appears, opens or closes, so that nodes know what they knew is old. One
  task alone opens no circuit by failures, however often it is tried.
]]
--- @include now
--- @include mesh-event
--- @include probe

-- The last failed tasks and runs that are kept of a circuit.
local KEPT = 20

local now = redisNow()
local circuit = readCircuit(KEYS[1], ARGV[1])
local isNew = not circuit
circuit = circuit or {failures = 0}
local wasOpen = circuit.openedAt ~= nil
local seen, task, token = ARGV[2], ARGV[4], ARGV[11]

local function event(what)
  meshEvent(KEYS[3], what, now, {'circuit', ARGV[1], 'reason', ARGV[3]})
end
local function save()
  circuit.lastAt = now
  redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(circuit))
end
-- A twentieth of the outage so far: soon back after a short one, little asked during a long one.
local function nextProbeAt()
  local pause = math.min(math.max((now - circuit.openedAt) / 20, tonumber(ARGV[7])), tonumber(ARGV[8]))
  return math.floor(now + math.max(pause, tonumber(ARGV[9])))
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
  if not isNew and not (wasOpen and tonumber(ARGV[5]) < circuit.openedAt and circuit.probe ~= task) then
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('INCR', KEYS[2])
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
if not wasOpen and circuit.lastAt and now - circuit.lastAt > tonumber(ARGV[10]) then
  circuit.failures, circuit.tasks, circuit.runs = 0, nil, nil
end
circuit.tasks, circuit.runs = circuit.tasks or {}, circuit.runs or {}
if note(circuit.runs, token) then circuit.failures = circuit.failures + 1 end
note(circuit.tasks, task)
circuit.kind = seen == 'outage' and 'provider' or seen
circuit.message = ARGV[3]
local told = seen ~= 'provider'
local opens = not wasOpen and (told or (circuit.failures >= tonumber(ARGV[6]) and #circuit.tasks > 1))
if opens then
  circuit.openedAt = now
  event('circuit-opened')
end
if opens or circuit.probe == task then
  endProbe()
elseif wasOpen then
  circuit.dueAt = math.max(circuit.dueAt, math.floor(now + tonumber(ARGV[9])))
end
save()
if opens or isNew then
  redis.call('INCR', KEYS[2])
end
return circuit.openedAt and 1 or 0
