--- @include layout
--- @include judge-nodes
--- @include ms

--[[
  How the caller sweeps, from the arguments of its script; times in ms.

  interval: minimum time between sweeps   stall, idleStall: maximum time between sweeps of a healthy mesh, with and
  without work   lease   grace: how long a node's presence may be gone   pass: time between two passes through all
  claims   ...: the pools that the caller serves
]]
local function sweepOptions(interval, stall, idleStall, lease, grace, pass, ...)
  return {
    interval = tonumber(interval),
    stall = tonumber(stall),
    idleStall = tonumber(idleStall),
    lease = tonumber(lease),
    grace = tonumber(grace),
    pass = tonumber(pass),
    pools = {...},
  }
end

-- Wakes a node for each unpaused pool in which tasks wait. A node that froze or lost its connection while it waited
-- for work may have consumed the wake-up of a task. Returns whether there was such a pool.
local function wakeForWaiting(mesh, pools)
  local waiting = false
  for _, name in ipairs(pools) do
    local pool = poolKeys(mesh.prefix, name)
    local some = redis.call('LLEN', pool.wait) > 0 or redis.call('ZCARD', pool.prioritized) > 0
    if some and redis.call('HEXISTS', pool.meta, 'paused') == 0 then
      redis.call('ZADD', pool.marker, 0, '0')
      waiting = true
    end
  end
  return waiting
end

local function countActive(mesh)
  local active = 0
  for _, name in ipairs(redis.call('SMEMBERS', mesh.pools)) do
    local pool = poolKeys(mesh.prefix, name)
    active = active + redis.call('LLEN', pool.active)
  end
  return active
end

-- The end of a lease, at most its own length from now. A later end was written before the clock went back, and is cut.
-- A node's lease may be longer than the caller's `lease`: the record of its first heartbeat says so.
local function cutLease(mesh, now, node, leaseEnds, lease, wentBack)
  if leaseEnds <= now + lease then return leaseEnds end
  local own = tonumber(string.match(redis.call('HGET', mesh.nodes, node) or '', '"leaseMs":(%d+)'))
  own = own or (wentBack and lease or nil)
  if not own or leaseEnds <= now + own then return leaseEnds end
  redis.call('ZADD', mesh.leases, ms(now + own), node)
  return now + own
end

--[[
  Looks for dead nodes (judge-nodes.lua) and declares them dead. A caller soon after another one gets an early reply,
  so that the work does not grow with the number of nodes.
  - If the last sweep is too long ago, or in the future, Redis froze, all nodes slept, or Redis' clock jumped. Every
  node then gets one more lease before it is judged, and lapsed claims get time for renewal (requeue-claims.lua).
  - An early reply to a sweep or a heartbeat also proves that Redis was not frozen.

  caller: its node id   now: Redis time (ms)   options: see sweepOptions
  Returns {number of nodes with a lease, number of them that sort before the caller (-1: not checked), number of
  unhandled deaths, time until the next grace ends (ms; 0 if no node is absent), number of pools and reasons with held
  tasks, work in the mesh (0: none, 1: some, 2: tasks wait in the caller's pools), 1 if the caller must check all
  claims, then for each node that this call declared dead: node, incarnation, reason, silence (ms)}
  Invariant: an incarnation is declared dead once.
]]
local function sweep(mesh, caller, now, options)
  local waiting = wakeForWaiting(mesh, options.pools)
  local deaths = redis.call('HLEN', mesh.deaths)
  local held = redis.call('SCARD', mesh.held)
  local lastAt, stallAt, lastBusy = unpack(redis.call('HMGET', mesh.sweep, 'lastAt', 'stallAt', 'busy'))
  lastAt, stallAt = tonumber(lastAt), tonumber(stallAt) or 0

  if lastAt and now >= lastAt and now - lastAt < options.interval then
    local busy = waiting and 2 or (lastBusy == '0' and 0 or 1)
    if now <= stallAt then
      redis.call('HSET', mesh.sweep, 'stallAt', ms(now + (busy > 0 and options.stall or options.idleStall)))
    end
    return {redis.call('ZCARD', mesh.leases), -1, deaths, 0, held, busy, 0}
  end

  local lease, grace = options.lease, options.grace
  local active = countActive(mesh)
  local busy = waiting and 2 or ((active > 0 or held > 0 or deaths > 0) and 1 or 0)
  local leasesFrom, presenceFrom, passAt, resumedAt = unpack(redis.call('HMGET', mesh.sweep, 'leasesFrom', 'presenceFrom',
    'passAt', 'resumedAt'))
  passAt = tonumber(passAt) or 0
  local pass = active > 0 and (now - passAt >= options.pass or now < passAt)
  if pass then passAt = now end

  -- The times from which nodes are judged. Values that were not written by our clock must not postpone this
  -- indefinitely.
  leasesFrom = math.min(tonumber(leasesFrom) or 0, now + lease)
  presenceFrom = math.min(tonumber(presenceFrom) or 0, now + grace)
  resumedAt = math.min(tonumber(resumedAt) or 0, now)
  local wentBack = lastAt and now < lastAt
  if not lastAt or wentBack or now > stallAt then
    leasesFrom, presenceFrom = now + lease, now + grace
    if lastAt then resumedAt = now end
    redis.call('DEL', mesh.absentSince)
  end
  redis.call('HSET', mesh.sweep, 'lastAt', ms(now),
    'stallAt', ms(now + (busy > 0 and options.stall or options.idleStall)), 'leasesFrom', ms(leasesFrom),
    'presenceFrom', ms(presenceFrom), 'passAt', ms(passAt), 'busy', busy, 'resumedAt', ms(resumedAt))

  local members = redis.call('ZRANGE', mesh.leases, 0, -1, 'WITHSCORES')
  local nodes, leaseEnds, rank = {}, {}, 0
  for i = 1, #members, 2 do
    local node = members[i]
    nodes[#nodes + 1] = node
    leaseEnds[#leaseEnds + 1] = cutLease(mesh, now, node, tonumber(members[i + 1]), lease, wentBack)
    if node < caller then rank = rank + 1 end
  end
  local dead, due = judgeNodes(mesh, now, nodes, leaseEnds, options, leasesFrom, presenceFrom)

  local result = {#nodes, rank, deaths + #dead / 4, due, held, busy, pass and 1 or 0}
  for _, value in ipairs(dead) do
    result[#result + 1] = value
  end
  return result
end
