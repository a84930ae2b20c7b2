--[[
  Forgets circuits of providers that nobody has asked for long: closed ones with a few failures, and open ones that hold
  nothing back; and what is no circuit at all.

  KEYS[1] circuits (hash: circuit → JSON)   KEYS[2] version of the circuits   KEYS[3] set of what is held
  ARGV[1] how long a closed one is remembered   ARGV[2] how long an open one (ms)

  Result: how many were forgotten
  Invariant: the version grows whenever a circuit goes, as in circuit-report.lua.
]]
--- @include now

local now = redisNow()
local holding = {}
for _, member in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  local circuit = string.match(member, '^%S+ circuit:(.*)$')
  if circuit then holding[circuit] = true end
end
local forgotten = 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local readable, circuit = pcall(cjson.decode, all[i + 1])
  local lastAt = readable and type(circuit) == 'table' and tonumber(circuit.lastAt)
  if not lastAt or (not holding[all[i]] and now - lastAt >= tonumber(ARGV[circuit.openedAt and 2 or 1])) then
    redis.call('HDEL', KEYS[1], all[i])
    forgotten = forgotten + 1
  end
end
if forgotten > 0 then
  redis.call('INCR', KEYS[2])
end
return forgotten
