--[[
  Removes those of some tasks that no node has begun.

  KEYS[1] the pool's list `wait`
  ARGV[1...] task ids

  Result: how many were removed
]]
--- @include remove-unbegun

local prefix = string.sub(KEYS[1], 1, -5)
local removed = 0
for _, id in ipairs(ARGV) do
  if removeUnbegun(prefix, id) then removed = removed + 1 end
end
return removed
