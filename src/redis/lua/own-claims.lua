--[[
  Which tasks of a pool does this life of the node hold, as Redis sees it?

  KEYS[1] incarnations (hash)   KEYS[2] active (list)
  ARGV[1] node id   ARGV[2] incarnation   ARGV[3] prefix of task keys   ARGV[4...] tasks that need not be told

  Result: -20 if fenced, else {{id, lock token, task hash as a flat list}...}; nothing is changed
]]
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return -20
end
local known = {}
for i = 4, #ARGV do
  known[ARGV[i]] = true
end
local own = ARGV[1] .. '~' .. ARGV[2] .. ':'
local result = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  local token = not known[id] and redis.call('GET', ARGV[3] .. id .. ':lock')
  if token and string.sub(token, 1, #own) == own then
    result[#result + 1] = {id, token, redis.call('HGETALL', ARGV[3] .. id)}
  end
end
return result
