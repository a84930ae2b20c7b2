--- @include release-task
--- @include session
--- @include someone-there

-- Whether a session's task that others of it wait for may still run before them: true; false if none that is there can
-- run it at present; 'slow' if a node could but does not begin it, and the order of the queue does not ask to wait.
-- current: the task, `<pool>:<id>`   pool: that of those that wait
local function mayRunFirst(mesh, pool, current, now)
  local taskKey = mesh.prefix .. ':' .. current
  if redis.call('EXISTS', taskKey .. ':lock') == 1 then return true end
  local itsPool = string.match(current, '^([^:]*):')
  -- Those that prefer a node do not depend on it.
  local target = redis.call('HGET', taskKey, 'cm:held') or ''
  local bound = string.find(target, '^node:') or string.find(target, '^require:') or string.find(target, '^allow:')
    or string.find(target, '^format:')
  if not someoneThere(mesh, poolKeys(mesh.prefix, itsPool), bound and target or '', now) then return false end
  return (bound or itsPool ~= pool.name) and 'slow' or true
end

-- Since when a session waits for something that is there, ms, and whether it did so at an earlier look; from now on if
-- it did not.
local function waitsSince(sessionKey, now)
  local since = tonumber(redis.call('HGET', sessionKey, 'waitsSince') or nil)
  if since and since <= now then return since, true end
  redis.call('HSET', sessionKey, 'waitsSince', string.format('%.0f', now))
  return now, false
end

-- Tasks of one session in one pool. Returns the node that may take the first of them now ('' if that waits for another
-- task
-- of the session, nil if none is left or it was released), and how many were released.
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
      -- One that was released just now, in another pool, has to have had the time to be claimed: else two pools would
      -- go on
      -- taking the session from each other.
      local since, waited = waitsSince(sessionKey, now)
      if not waited or now - since < stickyMs then return nil, 0 end
    end
    -- Waiting is of use only if this one could run.
    if not someoneThere(mesh, pool, '', now) then return nil, 0 end
    -- Once it can run, it is the next one.
    redis.call('HSET', mesh.prefix .. ':' .. current, 'cm:place', place - 1)
  elseif waitsForSticky(mesh, pool, taskKey, sticky, '', redis.call('HEXISTS', taskKey, 'cm:bound') == 1, now) then
    if now - waitsSince(sessionKey, now) < stickyMs then return sticky, 0 end
    redis.call('HSET', taskKey, 'cm:waitedFor', sticky)
  end

  if not releaseTask(pool, list, first, true) then return nil, 0 end
  -- Until it is claimed, too, or the next look would let the one behind it overtake it.
  occupy(sessionKey, current, this)
  return nil, 1
end
