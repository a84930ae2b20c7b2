--[[
  The new incarnation of a node adopts the claims of its earlier incarnations, to continue runs that outlived the
  daemon.

  ARGV pool   node id   incarnation   visibility timeout (ms)   number of the first new lock token   then the tasks to
  adopt; all if none is named
  Result: {{task id, lock token, task hash as a flat list}...}; 'fenced'
  Invariant: only locks that name this node are adopted, all in one step, so that no sweeper intervenes. An
  incarnation adopts before it claims. So a lock that already names it comes from a first request whose reply was
  lost, and is adopted again.
]]
--- @include layout
--- @include fence
--- @include start-task

local poolName, node, incarnation, visibilityMs, firstToken = unpack(ARGV, 1, 5)
local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName)

if isFenced(mesh, node, incarnation) then
  return 'fenced'
end
local wanted = {}
for i = 6, #ARGV do
  wanted[ARGV[i]] = true
end
local adopted = {}
for _, id in ipairs(redis.call('LRANGE', pool.active, 0, -1)) do
  local taskKey = pool.tasks .. id
  local holder = string.match(redis.call('GET', taskKey .. ':lock') or '', '^([^~:]+)~%d+:')
  if holder == node and (#ARGV == 5 or wanted[id]) then
    local token = string.format('%s~%s:%d', node, incarnation, tonumber(firstToken) + #adopted)
    lockTask(mesh, pool, id, {node = node, token = token, visibilityMs = visibilityMs})
    adopted[#adopted + 1] = {id, token, redis.call('HGETALL', taskKey)}
  end
end
return adopted
