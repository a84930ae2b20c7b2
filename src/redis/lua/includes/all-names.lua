-- The names of what only some requests need, from the short form that each brings along (Asking in queue/asking.ts): as
-- redis/keys.ts has them, which a test compares. In full they were half a kilobyte of each request.
local function allNames(short)
  local names = cjson.decode(short)
  local base, pool = names.base, names.pool
  names.labels = names.labels or {}
  names.free, names.turns, names.loads = base .. '/free:' .. pool, base .. '/turns:' .. pool, base .. '/loads'
  names.calls = base .. '/call:' .. pool .. ' '
  names.leases, names.nodes, names.control = base .. '/leases', base .. '/nodes', base .. '/control'
  names.held, names.heldTasks, names.sessions = base .. '/held', base .. '/held:', base .. '/session:'
  names.tasks, names.presence, names.events = base .. ':', base .. '/alive:', base .. '/events'
  return names
end
