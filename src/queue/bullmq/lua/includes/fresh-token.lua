-- Whether this lock token claims for the first time. The client repeats a claim with the same token if its connection
-- broke before the reply. If the first request brought a task, a second task would get the same token. The tokens of
-- an incarnation in one pool count up, so it is enough to store the newest one that has brought a task.
local function isFresh(mesh, pool, node, token)
  local last = redis.call('HGET', mesh.tokens, pool.name .. ':' .. node)
  local incarnation, n = string.match(token, '~(%d+):(%d+)$')
  local lastIncarnation, lastN = string.match(last or '', '~(%d+):(%d+)$')
  return incarnation ~= lastIncarnation or tonumber(n) > tonumber(lastN)
end
