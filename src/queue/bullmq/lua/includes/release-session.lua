--- @include release-task
--- @include session
--- @include node-available

-- Whether the task that others of its session wait for may still run before them. Returns true; false if no present
-- node can run it now; 'slow' if a node could but does not start it, and the order of the queue does not require the
-- others to wait.
-- current: the task, `<pool>:<id>`   pool: the pool of the waiting tasks
local function mayRunFirst(mesh, pool, current, now)
  local taskKey = mesh.prefix .. ':' .. current
  -- It is active: it runs, or its claim has lapsed and it is about to be requeued.
  if redis.call('HEXISTS', taskKey, 'processedOn') == 1 then return true end
  local itsPool = string.match(current, '^([^:]*):')
  -- A task that only prefers a node does not depend on it.
  local target = redis.call('HGET', taskKey, 'cm:held') or ''
  local bound = string.find(target, '^node:') or string.find(target, '^require:') or string.find(target, '^allow:')
    or string.find(target, '^format:')
  if not nodeAvailable(mesh, poolKeys(mesh.prefix, itsPool), bound and target or '', now) then return false end
  return (bound or itsPool ~= pool.name) and 'slow' or true
end

-- Returns since when a session has waited for a present task or node (ms), and whether an earlier call has recorded
-- that. Records it if not.
local function waitsSince(sessionKey, now)
  local since = tonumber(redis.call('HGET', sessionKey, 'waitsSince') or nil)
  if since and since <= now then return since, true end
  redis.call('HSET', sessionKey, 'waitsSince', string.format('%.0f', now))
  return now, false
end

-- Tasks of one session in one pool. Returns the node that may claim the first of them now, and the number of released
-- tasks. The node is nil if no task is left, the first one was released, or it waits for another task of the session.
local function releaseSession(mesh, pool, list, session, stickyMs, now)
  local sessionKey = mesh.sessions .. session
  local state = redis.call('HMGET', sessionKey, 'node', 'task')
  local sticky, current = state[1] or nil, state[2] or nil
  local first, place = firstOfSession(pool, list, current)
  if not first then return nil, 0 end
  local this, taskKey = pool.name .. ':' .. first, pool.tasks .. first

  if this ~= current and sessionTask(mesh, current) then
    local before = mayRunFirst(mesh, pool, current, now)
    if before == true then
      redis.call('HDEL', sessionKey, 'waitsSince')
      return nil, 0
    end
    if before == 'slow' then
      -- A task that was just released in another pool needs time to be claimed. Otherwise two pools would keep taking
      -- the session from each other.
      local since, waited = waitsSince(sessionKey, now)
      if not waited or now - since < stickyMs then return nil, 0 end
    end
    -- Overtaking is useful only if this task could run.
    if not nodeAvailable(mesh, pool, '', now) then return nil, 0 end
    -- The overtaken task comes next once it can run.
    redis.call('HSET', mesh.prefix .. ':' .. current, 'cm:place', place - 1)
  elseif waitsForSticky(mesh, pool, taskKey, sticky, '', redis.call('HEXISTS', taskKey, 'cm:bound') == 1, now) then
    if now - waitsSince(sessionKey, now) < stickyMs then return sticky, 0 end
    redis.call('HSET', taskKey, 'cm:waitedFor', sticky)
  end

  if not releaseTask(pool, list, first, true) then return nil, 0 end
  -- Already before the claim, or the next call would let the task behind it overtake.
  occupy(sessionKey, current, this)
  return nil, 1
end
