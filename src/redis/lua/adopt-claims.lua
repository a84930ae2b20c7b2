--[[
  The new life of a node takes over the claims of its former lives, to go on with runs that outlived the daemon.

  KEYS[1] incarnations (hash)   KEYS[2] active (list)
  ARGV[1] node id   ARGV[2] incarnation   ARGV[3] visibility timeout (ms)   ARGV[4] prefix of task keys
  ARGV[5] number of the first lock token to give out   ARGV[6...] the tasks to take over; all where none is named

  Result: -20 if fenced, else {{id, lock token, task hash as a flat list}...}
  Invariant: only locks that name this node are taken over; all in one step, so that no sweeper comes between. A life adopts
  before it claims, so a lock that names it already is of a first request whose answer was lost: it is taken over again.
]]
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return -20
end
local n = tonumber(ARGV[5])
local wanted = {}
for i = 6, #ARGV do
  wanted[ARGV[i]] = true
end
local result = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
  local taskKey = ARGV[4] .. id
  local token = redis.call('GET', taskKey .. ':lock')
  local node = token and string.match(token, '^([^~:]+)~%d+:')
  if node == ARGV[1] and (#ARGV == 5 or wanted[id]) then
    local own = ARGV[1] .. '~' .. ARGV[2] .. ':' .. n
    n = n + 1
    redis.call('SET', taskKey .. ':lock', own, 'PX', ARGV[3])
    result[#result + 1] = {id, own, redis.call('HGETALL', taskKey)}
  end
end
return result
