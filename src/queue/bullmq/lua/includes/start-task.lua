--- @include pool-event
--- @include enter-session

-- Sets the task's lock, which names its claim until the visibility timeout. The token is used up.
local function lockTask(mesh, pool, id, claim)
  redis.call('SET', pool.tasks .. id .. ':lock', claim.token, 'PX', claim.visibilityMs)
  redis.call('HSET', mesh.tokens, pool.name .. ':' .. claim.node, claim.token)
end

-- Turns a task on the active list into a claim. Returns its hash as a flat list; nil if the task had to be held for
-- its session. (A task from another program has no field that names its session; see admit-claim.lua.)
-- claim: {at (ms, as text), node, token, visibilityMs, record (JSON: labels of the node, and what it is allowed)}
-- rateMs: see limits.lua
local function startTask(mesh, pool, id, claim, rateMs, now)
  local taskKey = pool.tasks .. id
  if rateMs and redis.call('INCR', pool.limiter) == 1 then
    redis.call('PEXPIRE', pool.limiter, rateMs)
  end
  lockTask(mesh, pool, id, claim)
  local fields = redis.call('HGETALL', taskKey)
  local started, session = 0, nil
  for i = 1, #fields, 2 do
    if fields[i] == 'ats' then started = tonumber(fields[i + 1]) or 0 end
    if fields[i] == 'cm:session' then session = fields[i + 1] end
  end
  redis.call('HSET', taskKey, 'processedOn', claim.at, 'pb', claim.node, 'ats', started + 1)
  -- Not trimmed here: the event of the task's end trims the stream.
  redis.call('XADD', pool.events, '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
  -- Later values of a field win, so the new ones are appended.
  fields[#fields + 1], fields[#fields + 2], fields[#fields + 3], fields[#fields + 4] = 'processedOn', claim.at, 'pb', claim.node
  if session then
    local mayRun, movedFrom = enterSession(mesh, pool, id, session, claim, now)
    if not mayRun then return nil end
    if movedFrom then
      fields[#fields + 1], fields[#fields + 2] = 'cm:movedFrom', movedFrom
    end
  end
  return fields
end
