--[[
  Renews the claims of one node in one step.

  ARGV pool   node id   incarnation   visibility timeout (ms)   then for each claim: task id, lock token, time of the
  claim (ms)
  Result: {1 renewed or 0 lost, for each claim}; 'fenced'
  Invariant: only a lock with the claim's own token is renewed. A lapsed lock is set again while the task's hash still
  shows the run of this claim: a requeue or the end of the task removes it from the hash.
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
