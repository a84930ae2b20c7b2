--[[
  Removes those of some tasks that no node has begun.

  ARGV pool   then task ids

  Result: how many were removed
]]
--- @include layout
--- @include remove-unbegun

local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], ARGV[1])
local removed = 0
for i = 2, #ARGV do
  if removeUnbegun(mesh, pool, ARGV[i]) then removed = removed + 1 end
end
return removed
