--[[
  Somebody closes a circuit: its provider is taken to be well again, and its failures are forgotten.

  KEYS[1] circuits (hash: circuit → JSON)   KEYS[2] version of the circuits   KEYS[3] events of the mesh (stream)
  ARGV[1] circuit   ARGV[2] why, for people

  Result: 'closed' where it was open, 'forgotten' where it had failures, 'absent' where there is none (nothing changed)
  Invariant: the version grows whenever a circuit appears, opens or closes.
]]
--- @include now
--- @include mesh-event

local raw = redis.call('HGET', KEYS[1], ARGV[1])
if not raw then
  return 'absent'
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('INCR', KEYS[2])
local readable, circuit = pcall(cjson.decode, raw)
if readable and type(circuit) == 'table' and not circuit.openedAt then
  return 'forgotten'
end
meshEvent(KEYS[3], 'circuit-closed', redisNow(), {'circuit', ARGV[1], 'reason', ARGV[2]})
return 'closed'
