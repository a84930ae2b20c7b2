--[[
  Renews the claims of one node in one step.

  ARGV pool   node id   incarnation   visibility timeout (ms)   then of each claim: task id, lock token, when it was claimed (ms)

  Result: {1 renewed or 0 lost, for each}; 'fenced'
  Invariant: only a lock that still has our token is renewed. One that has lapsed is set again while the task's hash shows
  this claim's run as going on: whoever puts the task back, and whatever ends it, takes that out of the hash.
]]
--- @include layout
--- @include fence

local poolName, node, incarnation, visibilityMs = unpack(ARGV, 1, 4)
local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName)

if isFenced(mesh, node, incarnation) then
  return 'fenced'
end
local renewed = {}
for i = 5, #ARGV, 3 do
  local id, token, claimedAt = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local taskKey = pool.tasks .. id
  local holder = redis.call('GET', taskKey .. ':lock')
  local ours = holder == token
  if ours then
    redis.call('PEXPIRE', taskKey .. ':lock', visibilityMs)
  elseif not holder then
    local run = redis.call('HMGET', taskKey, 'pb', 'processedOn', 'finishedOn')
    ours = run[1] == node and run[2] == claimedAt and not run[3]
    if ours then redis.call('SET', taskKey .. ':lock', token, 'PX', visibilityMs) end
  end
  renewed[#renewed + 1] = ours and 1 or 0
end
return renewed
