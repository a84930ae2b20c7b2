--[[
  A run has told something about its provider. Repeated failures, or one rate limit, open the provider's circuit for the
  whole mesh; a success closes it. While it's open one task at a time, the probe, may try.

  KEYS[1] circuits (hash: circuit → JSON)   KEYS[2] version of the circuits   KEYS[3] events of the mesh (stream)
  ARGV[1] circuit   ARGV[2] what was seen: 'ok', 'provider', 'rate_limit', or 'unsure' (another failure)
  ARGV[3] error message   ARGV[4] task id   ARGV[5] when it was claimed (ms)   ARGV[6] failures in a row that open
  ARGV[7] shortest   ARGV[8] longest time between probes (ms)   ARGV[9] wait that the provider asked for (ms)
  ARGV[10] time after which failures are forgotten (ms)

  Result: 1 if the circuit is open now, 0 if not
  Invariant: the version grows whenever a circuit appears, opens or closes, so that nodes know what they knew is old.
]]
--- @include now
--- @include mesh-event

local now = redisNow()
local raw = redis.call('HGET', KEYS[1], ARGV[1])
local circuit = raw and cjson.decode(raw) or {failures = 0}
local wasOpen = circuit.openedAt ~= nil
local seen, taskId = ARGV[2], ARGV[4]

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

if seen == 'ok' then
  -- A run that began before the outage says nothing about its end.
  if raw and not (wasOpen and tonumber(ARGV[5]) < circuit.openedAt) then
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('INCR', KEYS[2])
    if wasOpen then event('circuit-closed') end
    return 0
  end
  return wasOpen and 1 or 0
end
if seen == 'unsure' then
  if circuit.probe == taskId then
    circuit.probe = nil
    circuit.dueAt = nextProbeAt()
    save()
  end
  return wasOpen and 1 or 0
end
if not wasOpen and circuit.lastAt and now - circuit.lastAt > tonumber(ARGV[10]) then
  circuit.failures = 0
end
circuit.failures = circuit.failures + 1
circuit.kind = seen
circuit.message = ARGV[3]
local opens = not wasOpen and (seen == 'rate_limit' or circuit.failures >= tonumber(ARGV[6]))
if opens then
  circuit.openedAt = now
  event('circuit-opened')
end
if opens or circuit.probe == taskId then
  circuit.probe = nil
  circuit.dueAt = nextProbeAt()
elseif wasOpen then
  circuit.dueAt = math.max(circuit.dueAt, math.floor(now + tonumber(ARGV[9])))
end
save()
if opens or not raw then
  redis.call('INCR', KEYS[2])
end
return circuit.openedAt and 1 or 0
