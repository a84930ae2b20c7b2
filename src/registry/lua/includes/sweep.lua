--- @include layout
--- @include judge-nodes
--- @include ms

--[[
  How the caller sweeps, from the arguments of its script; times in ms.

  interval: the least time between sweeps   stall, idleStall: the longest time between sweeps of a healthy mesh that
  works,
  and that idles   lease   grace: how long a node's presence may be gone   pass: the time between two looks through all
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

-- Wakes a node for each of these pools that is not paused and in which tasks wait: a node that froze, or was cut off,
-- while
-- it waited for work may have swallowed the wake-up of a task. Returns whether there was such a pool.
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

-- When a lease ends, at most its own length from now: if it ends later, it was written before the clock went back, and
-- is
-- cut. A node's lease may be longer than the caller's, `lease`: its record says so, which comes with its first
-- heartbeat.
local function cutLease(mesh, now, node, leaseEnds, lease, wentBack)
  if leaseEnds <= now + lease then return leaseEnds end
  local own = tonumber(string.match(redis.call('HGET', mesh.nodes, node) or '', '"leaseMs":(%d+)'))
  own = own or (wentBack and lease or nil)
  if not own or leaseEnds <= now + own then return leaseEnds end
  redis.call('ZADD', mesh.leases, ms(now + own), node)
  return now + own
end

--[[
  Looks for dead nodes (judge-nodes.lua) and declares them dead. A caller that comes soon after another gets an early
  answer, so that the work does not grow with the number of nodes.

  When the last sweep is long ago, or still to come, Redis was frozen, all nodes slept, or Redis' clock jumped: then
  every
  node gets one more lease before it is judged, and lapsed claims one more renewal (requeue-claims.lua). An early
  answer, to
  a sweep or a heartbeat, shows as well that Redis was not frozen.

  caller: its node id   now: Redis time (ms)   options: see sweepOptions

  Returns {number of nodes with a lease, how many of them come before the caller (-1: not looked at), number of deaths
  not
  yet dealt with, time until the next grace is over (ms; 0 if no node is gone), number of pools and reasons for which
  tasks
  are held, 1 if there is work in the mesh and 2 if tasks wait in the caller's pools, 1 if the caller is to look through
  all
  claims, then for each node declared dead by this call: node, incarnation, reason, silence (ms)}
  Invariant: an incarnation is declared dead once.
]]
local function sweep(mesh, caller, now, options)
  local waiting = wakeForWaiting(mesh, options.pools)
  local deaths = redis.call('HLEN', mesh.deaths)
  local held = redis.call('SCARD', mesh.held)
  local lastAt, stallAt, lastBusy = unpack(redis.call('HMGET', mesh.sweep, 'lastAt', 'stallAt', 'busy'))
  lastAt, stallAt = tonumber(lastAt), tonumber(stallAt) or 0

  -- Too soon after another sweep.
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

  -- From when on nodes are judged. Numbers that no clock of ours has written must not put that off for ever.
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
