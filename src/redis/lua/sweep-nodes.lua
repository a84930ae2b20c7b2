--[[
  Looks for dead nodes and declares them dead, unless somebody has just done so.

  KEYS, ARGV, result, invariant: see includes/sweep.lua; the caller's pools begin at KEYS[11].
]]
--- @include now
--- @include sweep

return sweep(redisNow(), 11)
