--[[
  Looks for dead nodes and declares them dead, unless another node has just swept.

  ARGV: caller (node id), then how to sweep: see sweepOptions in includes/sweep.lua
  Result, invariant: see includes/sweep.lua
]]
--- @include layout
--- @include now
--- @include sweep

local caller = ARGV[1]
local options = sweepOptions(unpack(ARGV, 2))
local mesh = meshKeys(KEYS[1])

return sweep(mesh, caller, redisNow(), options)
