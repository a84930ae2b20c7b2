--[[
  Forgets circuits that have seen no report for long: closed ones with a few failures, and open ones that hold no
  tasks. Also removes unreadable entries.

  ARGV how long to remember a closed circuit (ms)   how long to remember an open circuit (ms)
  Result: number of forgotten circuits
  Invariant: the version grows whenever circuits are removed, as in circuit-report.lua.
]]
--- @include layout
--- @include now

local closedMs, openMs = tonumber(ARGV[1]), tonumber(ARGV[2])
local mesh, now = meshKeys(KEYS[1]), redisNow()

local holding = {}
for _, member in ipairs(redis.call('SMEMBERS', mesh.held)) do
  local circuit = string.match(member, '^%S+ circuit:(.*)$')
  if circuit then holding[circuit] = true end
end
local forgotten = 0
local all = redis.call('HGETALL', mesh.circuits)
for i = 1, #all, 2 do
  local readable, circuit = pcall(cjson.decode, all[i + 1])
  local lastAt = readable and type(circuit) == 'table' and tonumber(circuit.lastAt)
  if not lastAt or (not holding[all[i]] and now - lastAt >= (circuit.openedAt and openMs or closedMs)) then
    redis.call('HDEL', mesh.circuits, all[i])
    forgotten = forgotten + 1
  end
end
if forgotten > 0 then
  redis.call('INCR', mesh.circuitsVersion)
end
return forgotten
