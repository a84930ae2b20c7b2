--- @include release-task
--- @include enter-session
--- @include someone-there

-- Whether a session's task that others of it wait for may still run before them: true; false if none that is there can
-- run it at present; 'slow' if a node could but does not begin it, and the order of the queue does not ask to wait.
-- current, pool: the task, `<pool>:<id>`, and the pool of those that wait
local function mayRunFirst(base, current, pool, now)
  local jobKey = base .. ':' .. current
  if redis.call('EXISTS', jobKey .. ':lock') == 1 then return true end
  local itsPool = string.match(current, '^([^:]*):')
  local held = redis.call('HGET', jobKey, 'cm:held')
  -- Those that prefer a node do not depend on it.
  local target = held or ''
  local bound = string.find(target, '^node:') or string.find(target, '^require:') or string.find(target, '^allow:')
    or string.find(target, '^format:')
  if not someoneThere(base, itsPool, bound and target or '', now) then return false end
  return (bound or itsPool ~= pool) and 'slow' or true
end

-- Since when a session waits for something that is there, ms, and whether it did so at an earlier look; from now on if it did not.
local function waitsSince(key, now)
  local since = tonumber(redis.call('HGET', key, 'waitsSince') or nil)
  if since and since <= now then return since, true end
  redis.call('HSET', key, 'waitsSince', string.format('%.0f', now))
  return now, false
end

-- Tasks of one session in one pool. Returns the node that may take the first of them now ('' if that waits for another task
-- of the session, nil if none is left or it was released), and how many were released.
local function releaseSession(queue, index, base, session, stickyMs, now)
  local key = base .. '/session:' .. session
  local state = redis.call('HMGET', key, 'node', 'task')
  local home, current = state[1] or nil, state[2] or nil
  local first, place = firstOfSession(index, queue.delayed, current, queue.pool)
  if not first then return nil, 0 end
  local this = queue.pool .. ':' .. first
  local jobKey = queue.tasks .. first

  if this ~= current and sessionTask(current, base .. ':') then
    local before = mayRunFirst(base, current, queue.pool, now)
    if before == true then
      redis.call('HDEL', key, 'waitsSince')
      return nil, 0
    end
    if before == 'slow' then
      -- One that was released just now, in another pool, has to have had the time to be claimed: else two pools would go on
      -- taking the session from each other.
      local since, waited = waitsSince(key, now)
      if not waited or now - since < stickyMs then return nil, 0 end
    end
    -- Waiting is of use only if this one could run.
    if not someoneThere(base, queue.pool, '', now) then return nil, 0 end
    -- Once it can run, it is the next one.
    redis.call('HSET', base .. ':' .. current, 'cm:place', place - 1)
  elseif waitsForHome(base, jobKey, home, '', queue.pool, redis.call('HEXISTS', jobKey, 'cm:bound') == 1, now) then
    if now - waitsSince(key, now) < stickyMs then return home, 0 end
    redis.call('HSET', jobKey, 'cm:waitedFor', home)
  end

  if not releaseTask(queue, index, first, true) then return nil, 0 end
  -- Until it is claimed, too, or the next look would let the one behind it overtake it.
  occupy(key, current, this)
  return nil, 1
end

-- Tasks of a pool that would rather run on one node. Returns that node if it may take some now, how many were looked at
-- and released, and 0 if there are more to release at once.
local function releasePreferring(queue, index, base, node, most, stickyMs, now)
  local there = nodeThere(base, node, queue.pool, now)
  -- They stand by when they were held. The newest first, each to the head: the oldest ends up before all.
  local upTo = there and string.format('%.0f', now - stickyMs) or '+inf'
  local ids = redis.call('ZREVRANGEBYSCORE', index, upTo, '-inf', 'LIMIT', 0, most)
  local released = 0
  for _, id in ipairs(ids) do
    if releaseTask(queue, index, id, true) then
      redis.call('HSET', queue.tasks .. id, 'cm:fellBack', 1)
      released = released + 1
    end
  end
  local left = there and firstHeld(queue, index)
  return left and node or nil, math.max(1, #ids), released, #ids == most and 0 or nil
end
