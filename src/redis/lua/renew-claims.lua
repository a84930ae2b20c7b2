--[[
  Renews the claims of one node in one step.

  KEYS[1] incarnations (hash)   KEYS[2...] task hashes
  ARGV[1] node id   ARGV[2] incarnation   ARGV[3] visibility timeout (ms)   ARGV[4...] lock token of each task

  Result: -20 if the incarnation is fenced, else {1 renewed or 0 lost, for each task}
  Invariant: only a lock that still has our token is renewed; a lost one is never set again.
]]
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return -20
end
local result = {}
for i = 2, #KEYS do
  local lock = KEYS[i] .. ':lock'
  if redis.call('GET', lock) == ARGV[i + 2] then
    redis.call('PEXPIRE', lock, ARGV[3])
    result[#result + 1] = 1
  else
    result[#result + 1] = 0
  end
end
return result
