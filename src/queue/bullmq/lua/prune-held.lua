--[[
  Looks through tasks that are held back for one reason, and drops those that are not held any more: somebody has cancelled
  or removed them. A reason that holds nothing is dropped, too.

  ARGV pool   what holds them   first task to look at   tasks looked at

  Result: next task to look at, 0 when through
]]
--- @include layout
--- @include drop-strays

local poolName, reason, first, size = unpack(ARGV)
first, size = tonumber(first), tonumber(size)
local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName)
local member = poolName .. ' ' .. reason
local list = mesh.heldTasks .. member

local nextFirst = dropStrays(list, pool.delayed, first, size)
if redis.call('ZCARD', list) == 0 then
  redis.call('SREM', mesh.held, member)
end
return nextFirst
