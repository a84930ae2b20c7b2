--[[
  Requeues tasks with an orphaned claim: its owner is not the node's current incarnation (dead, evicted, replaced), or
  it lapsed (no lock is left: visibility timeout). If Redis stood still or its clock jumped, all claims lapse at once;
  their nodes then get the time of two renewals. Each call checks a window of the active list, so that Redis is never
  blocked; the caller goes through the windows. Any node may do this for any other, and may finish what another node
  began.

  ARGV pool   first index   window size   visibility timeout (ms)   maximum handovers, after which a task fails
  Result: {next index (0 at the end of the list), then for each requeued task: id, owner, reason}
  Invariant: a task whose lock names a current incarnation is never touched. A claim sets the lock in the same step
  that makes a task active, so a task without one has lapsed.
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
-- Includes a jump that no sweep has seen yet. A node renews four times per visibility timeout.
local jumped = (stallAt and now > stallAt) or (resumedAt and now < resumedAt + visibilityMs / 2)

-- Cache of the current incarnation of each node.
local current = setmetatable({}, {__index = function(known, node)
  known[node] = redis.call('HGET', mesh.incarnations, node)
  return known[node]
end})

-- The owner of an orphaned claim, the reason, and how long that node has been silent (ms); nil if the claim holds.
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
  -- The next incarnation of the node is about to adopt these runs.
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
