--[[
  Lists the tasks of a pool that this incarnation of the node has claimed, as Redis sees it. Changes nothing.

  ARGV pool   node id   incarnation   then lock tokens to leave out
  Result: {{task id, lock token, task hash as a flat list}...}; 'fenced'
]]
--- @include layout
--- @include fence

local poolName, node, incarnation = unpack(ARGV, 1, 3)
local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName)

if isFenced(mesh, node, incarnation) then
  return 'fenced'
end
local known = {}
for i = 4, #ARGV do
  known[ARGV[i]] = true
end
local own = node .. '~' .. incarnation .. ':'
local found = {}
for _, id in ipairs(redis.call('LRANGE', pool.active, 0, -1)) do
  local token = redis.call('GET', pool.tasks .. id .. ':lock')
  if token and not known[token] and string.sub(token, 1, #own) == own then
    found[#found + 1] = {id, token, redis.call('HGETALL', pool.tasks .. id)}
  end
end
return found
