--[[
  Closes a circuit on request: its provider is assumed to work again, and its failures are forgotten.

  ARGV circuit   why, for people
  Result: 'closed' if it was open, 'forgotten' if it only had failures, 'absent' if there is none (nothing changed)
  Invariant: the version grows whenever a circuit appears, opens or closes.
]]
--- @include layout
--- @include now
--- @include mesh-event

local name, reason = unpack(ARGV)
local mesh = meshKeys(KEYS[1])

local stored = redis.call('HGET', mesh.circuits, name)
if not stored then
  return 'absent'
end
redis.call('HDEL', mesh.circuits, name)
redis.call('INCR', mesh.circuitsVersion)
local readable, circuit = pcall(cjson.decode, stored)
if readable and type(circuit) == 'table' and not circuit.openedAt then
  return 'forgotten'
end
meshEvent(mesh, 'circuit-closed', redisNow(), {'circuit', name, 'reason', reason})
return 'closed'
