--[[
  Removes those of the given tasks that no node has started.

  ARGV pool   then task ids
  Result: number of removed tasks
]]
--- @include layout
--- @include remove-unbegun

local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], ARGV[1])
local removed = 0
for i = 2, #ARGV do
  if removeUnbegun(mesh, pool, ARGV[i]) then removed = removed + 1 end
end
return removed
