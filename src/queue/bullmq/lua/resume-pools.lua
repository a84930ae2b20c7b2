--[[
  Resumes one pool on request of an operator, or all pools whose pause is over.

  ARGV pool ('' for all whose pause is over)
  Result: the number of resumed pools
]]
--- @include layout
--- @include now
--- @include resume-pool

local poolName = ARGV[1]
local mesh = meshKeys(KEYS[1])
if poolName ~= '' then
  return resumePool(poolKeys(KEYS[1], poolName)) and 1 or 0
end
local now, resumed = redisNow(), 0
for _, name in ipairs(redis.call('SMEMBERS', mesh.pools)) do
  local pool = poolKeys(KEYS[1], name)
  local ends = tonumber(string.match(redis.call('HGET', pool.meta, 'cm:pause') or '', '^%d+ (%d+) '))
  if ends and ends > 0 and now >= ends and resumePool(pool) then
    resumed = resumed + 1
  end
end
return resumed
