-- Whether this lock token claims for the first time. The client sends a claim again if its connection broke before the answer
-- came, with the same token: had the first one brought a task, a second task would get its token. The tokens of a node's
-- incarnation in one pool count up, and the newest of them that has brought a task is noted.
local function isFresh(mesh, pool, node, token)
  local last = redis.call('HGET', mesh.tokens, pool.name .. ':' .. node)
  local incarnation, n = string.match(token, '~(%d+):(%d+)$')
  local lastIncarnation, lastN = string.match(last or '', '~(%d+):(%d+)$')
  return incarnation ~= lastIncarnation or tonumber(n) > tonumber(lastN)
end
