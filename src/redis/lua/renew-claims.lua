--[[
  Renews the claims of one node in one step.

  KEYS[1] incarnations (hash)   KEYS[2...] task hashes
  ARGV[1] node id   ARGV[2] incarnation   ARGV[3] visibility timeout (ms)   ARGV[4...] lock token of each task, and when it
  was claimed (ms)

  Result: -20 if the incarnation is fenced, else {1 renewed or 0 lost, for each task}
  Invariant: only a lock that still has our token is renewed. One that has lapsed is set again while the task's hash shows
  this claim's run as going on: whoever puts the task back, and whatever ends it, takes that out of the hash.
]]
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return -20
end
local result = {}
for i = 2, #KEYS do
  local lock, token, claimedAt = KEYS[i] .. ':lock', ARGV[i * 2], ARGV[i * 2 + 1]
  local holder = redis.call('GET', lock)
  local ours = holder == token
  if ours then
    redis.call('PEXPIRE', lock, ARGV[3])
  elseif not holder then
    local run = redis.call('HMGET', KEYS[i], 'pb', 'processedOn', 'finishedOn')
    ours = run[1] == ARGV[1] and run[2] == claimedAt and not run[3]
    if ours then redis.call('SET', lock, token, 'PX', ARGV[3]) end
  end
  result[#result + 1] = ours and 1 or 0
end
return result
