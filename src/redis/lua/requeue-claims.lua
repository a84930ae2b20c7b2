--[[
  Puts back tasks whose claim is void: its owner is no longer the node's current incarnation (dead, evicted, replaced), or
  it lapsed (no lock is left: visibility timeout). All claims lapse at once when Redis stood still or its clock jumped; their
  nodes then have the time of two renewals to renew them. Looks at a window of the active list per call, so that Redis is never
  held up; the caller goes through the windows. Any node may do this for any other, and may finish what another began.

  KEYS[1] active  KEYS[2] wait  KEYS[3] prioritized  KEYS[4] marker  KEYS[5] meta  KEYS[6] events  KEYS[7] handovers
  KEYS[8] failed  KEYS[9] cancelled  KEYS[10] pc  KEYS[11] incarnations (hash)  KEYS[12] deaths (hash)  KEYS[13] events of the mesh
  KEYS[14] sweep (hash)
  ARGV[1] pool   ARGV[2] prefix of task keys   ARGV[3] first index   ARGV[4] window size   ARGV[5] visibility timeout (ms)
  ARGV[6] handovers after which a task is given up

  Result: {next index (0 when the list is through), then for each task put back: id, owner, reason}
  Invariant: a task whose lock names a current incarnation is never touched. A claim sets the lock in the same step that
  makes a task active, so a task without one has lapsed.
]]
--- @include now
--- @include requeue-task

local first = tonumber(ARGV[3])
local size = tonumber(ARGV[4])
local ids = redis.call('LRANGE', KEYS[1], first, first + size - 1)
local result = {0}
if #ids == 0 then
  return result
end

local keys = {unpack(KEYS, 1, 10)}
keys[11] = KEYS[13]
local now = redisNow()
local times = redis.call('HMGET', KEYS[14], 'stallAt', 'resumedAt')
local stallAt, resumedAt = tonumber(times[1] or nil), tonumber(times[2] or nil)
-- A jump that no sweep has seen yet counts, too. A node renews four times per visibility timeout.
local jumped = (stallAt and now > stallAt) or (resumedAt and now < resumedAt + tonumber(ARGV[5]) / 2)
local locks = {}
for i, id in ipairs(ids) do
  locks[i] = ARGV[2] .. id .. ':lock'
end
local tokens = redis.call('MGET', unpack(locks))
local current = {}
local taken = 0
for i, id in ipairs(ids) do
  local token = tokens[i]
  local owner, reason, silentMs
  if not token and jumped then
    owner = nil
  elseif not token then
    owner, reason, silentMs = 'unknown', 'visibility-timeout', tonumber(ARGV[5])
  else
    local node, incarnation = string.match(token, '^([^~:]+)~(%d+):')
    if node then
      if current[node] == nil then
        current[node] = redis.call('HGET', KEYS[11], node)
      end
      if current[node] ~= incarnation then
        owner, reason, silentMs = node, 'fenced', 0
        local death = redis.call('HGET', KEYS[12], node .. '~' .. incarnation)
        local readable
        readable, death = pcall(cjson.decode, death or '')
        if readable and type(death) == 'table' and death.reason and tonumber(death.lastSignAt) then
          reason = death.reason
          silentMs = math.max(0, now - death.lastSignAt)
          -- The next life of the node is about to take these runs up again.
          if death.heldUntil and now < death.heldUntil and now >= (death.heldFrom or 0) then owner = nil end
        end
      end
    end
  end
  if owner and requeueTask(keys, ARGV[1], id, ARGV[2] .. id, owner, reason, silentMs, now, tonumber(ARGV[6])) then
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
