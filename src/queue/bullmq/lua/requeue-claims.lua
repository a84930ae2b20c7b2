--[[
  Requeues tasks whose claim is orphaned: its owner is no longer the node's current incarnation (dead, evicted,
  replaced), or
  it lapsed (no lock is left: visibility timeout). All claims lapse at once when Redis stood still or its clock jumped;
  their
  nodes then have the time of two renewals to renew them. Looks at a window of the active list per call, so that Redis
  is never
  held up; the caller goes through the windows. Any node may do this for any other, and may finish what another began.

  ARGV pool   first index   window size   visibility timeout (ms)   handovers after which a task is given up

  Result: {next index (0 when the list is through), then for each task put back: id, owner, reason}
  Invariant: a task whose lock names a current incarnation is never touched. A claim sets the lock in the same step that
  makes a task active, so a task without one has lapsed.
]]
--- @include layout
--- @include now
--- @include requeue-task

local poolName, first, size, visibilityMs, maxHandovers = unpack(ARGV)
first, size, visibilityMs, maxHandovers = tonumber(first), tonumber(size), tonumber(visibilityMs), tonumber(maxHandovers)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()

local ids = redis.call('LRANGE', pool.active, first, first + size - 1)
if #ids == 0 then
  return {0}
end

local times = redis.call('HMGET', mesh.sweep, 'stallAt', 'resumedAt')
local stallAt, resumedAt = tonumber(times[1] or nil), tonumber(times[2] or nil)
-- A jump that no sweep has seen yet counts, too. A node renews four times per visibility timeout.
local jumped = (stallAt and now > stallAt) or (resumedAt and now < resumedAt + visibilityMs / 2)

-- The current incarnation of each node, as it is asked for.
local current = setmetatable({}, {__index = function(known, node)
  known[node] = redis.call('HGET', mesh.incarnations, node)
  return known[node]
end})

-- Whose claim is orphaned, why, and how long that node has been silent (ms); nil where the claim holds.
local function orphanedClaim(token)
  if not token then
    if jumped then return nil end
    return 'unknown', 'visibility-timeout', visibilityMs
  end
  local node, incarnation = string.match(token, '^([^~:]+)~(%d+):')
  if not node or current[node] == incarnation then return nil end
  local readable, death = pcall(cjson.decode, redis.call('HGET', mesh.deaths, node .. '~' .. incarnation) or '')
  if not readable or type(death) ~= 'table' or not death.reason or not tonumber(death.lastSignAt) then
    return node, 'fenced', 0
  end
  -- The next incarnation of the node is about to take these runs up again.
  if death.reservedUntil and now < death.reservedUntil and now >= (death.reservedFrom or 0) then return nil end
  return node, death.reason, math.max(0, now - death.lastSignAt)
end

local locks = {}
for i, id in ipairs(ids) do
  locks[i] = pool.tasks .. id .. ':lock'
end
local tokens = redis.call('MGET', unpack(locks))
local result, taken = {0}, 0
for i, id in ipairs(ids) do
  local owner, reason, silentMs = orphanedClaim(tokens[i])
  if owner and requeueTask(mesh, pool, id, owner, reason, silentMs, now, maxHandovers) then
    taken = taken + 1
    result[#result + 1] = id
    result[#result + 1] = owner
    result[#result + 1] = reason
  end
end
if #ids == size then
  result[1] = first + size - taken
end
return result
