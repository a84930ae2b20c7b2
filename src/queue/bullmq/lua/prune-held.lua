--[[
  Checks tasks that are held for one reason, and drops those that are no longer held because they were cancelled or
  removed. A reason without tasks is dropped, too.

  ARGV pool   why they are held   first task to check   number of tasks to check
  Result: next task to check, 0 at the end
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
