--- @include node-there
--- @include hold-claimed
--- @include may-run

-- OpenClaw keeps a session's state on the machine where it ran. So a session has a home, the node that ran its last task,
-- and one task at a time; those that come while it is busy, or on another node than its home, are held in their order.

-- How long a session's home is remembered after its last task, ms: 30 days.
local SESSION_MS = 2592000000
-- Ended tasks of a session that are remembered for a node that has to start it anew.
local RECENT = 10

-- The task that the session is busy with, as `<pool>:<id>`; nil if that has ended or is gone.
local function sessionTask(current, taskPrefix)
  if current and redis.call('EXISTS', taskPrefix .. current) == 1
    and redis.call('HEXISTS', taskPrefix .. current, 'finishedOn') == 0 then
    return current
  end
end

-- The held task of a session that comes first, and its place; those that somebody has cancelled are dropped. The task that
-- the session is busy with comes first wherever its place is: all others wait for it.
-- current: `<pool>:<id>` or nil   pool: whose held tasks these are
local function firstOfSession(heldKey, delayedKey, current, pool)
  local busyWith = current and string.sub(current, 1, #pool + 1) == pool .. ':' and string.sub(current, #pool + 2)
  if busyWith and redis.call('ZSCORE', delayedKey, busyWith) then
    local place = redis.call('ZSCORE', heldKey, busyWith)
    if place then return busyWith, tonumber(place) end
  end
  for _ = 1, 1000 do
    local first = redis.call('ZRANGE', heldKey, 0, 0, 'WITHSCORES')
    if not first[1] or redis.call('ZSCORE', delayedKey, first[1]) then
      return first[1], tonumber(first[2] or nil)
    end
    redis.call('ZREM', heldKey, first[1])
  end
end

-- The session is busy with this task from now on, and waits for nobody.
local function occupy(key, current, task)
  if current and current ~= task then
    redis.call('LREM', key .. ':recent', 0, current)
    redis.call('LPUSH', key .. ':recent', current)
    redis.call('LTRIM', key .. ':recent', 0, RECENT - 1)
    redis.call('PEXPIRE', key .. ':recent', SESSION_MS)
  end
  redis.call('HSET', key, 'task', task)
  redis.call('HDEL', key, 'waitsSince')
  redis.call('PEXPIRE', key, SESSION_MS)
end

-- Whether a task of a session has to wait for the session's home: that is another node, is there for the task's pool, and
-- has neither refused this task nor been waited for in vain. A task that is for certain nodes takes its session along.
-- node: who wants to run it; '' for nobody yet
local function waitsForHome(base, jobKey, home, node, pool, bound, now)
  if not home or home == node or bound then return false end
  -- The home's provider has refused its login, the home is not allowed it, or does not take it though it is there.
  for _, left in ipairs(redis.call('HMGET', jobKey, 'cm:refusedOn', 'cm:notAllowedOn', 'cm:waitedFor')) do
    if left == home then return false end
  end
  return nodeThere(base, home, pool, now)
end

-- To be called with a task that was just claimed, and has a session. Whether it may run: its session is free, at home
-- here, and the task is the first of it. Otherwise the task is held, and the session's home told of it. Second, the node
-- that was the session's home, if it had another one.
-- keys: {active, delayed, events, incarnations}   session: `<agent>|<session>`
-- names: {base, pool, labels, allow, holdScore, held; prefixes: sessions, heldTasks, tasks, presence}
local function enterSession(keys, names, node, id, session, now)
  local this = names.pool .. ':' .. id
  local jobKey = names.tasks .. this
  -- A task that is for another node is let go by this one afterwards, and has not begun here.
  local asked = redis.call('HMGET', jobKey, 'cm:needs', 'cm:fellBack', 'cm:place')
  local needs, fellBack, place = asked[1] or '', asked[2], tonumber(asked[3] or nil)
  local preferred = not fellBack and string.match(needs, '^prefer:([^&]*)')
  if (preferred and preferred ~= node) or not recordMayRun(needs, node, names) then
    return true
  end

  local key = names.sessions .. session
  local why = 'session:' .. session
  local heldKey = names.heldTasks .. names.pool .. ' ' .. why
  local state = redis.call('HMGET', key, 'node', 'task')
  local home, current = state[1] or nil, state[2] or nil

  local mustWait = false
  if current ~= this then
    if sessionTask(current, names.tasks) then
      mustWait = true
    else
      local first, firstPlace = firstOfSession(heldKey, keys[2], current, names.pool)
      mustWait = first ~= nil and first ~= id and (not place or firstPlace < place)
    end
  end
  local bound = preferred or string.find(needs, '^node:') or string.find(needs, '^require:')
  local homeThere = waitsForHome(names.base, jobKey, home, node, names.pool, bound, now)
  if mustWait or homeThere then
    if not place then
      place = redis.call('HINCRBY', key, 'places', 1)
      redis.call('HSET', jobKey, 'cm:place', place)
      redis.call('PEXPIRE', key, SESSION_MS)
    end
    redis.call('HDEL', jobKey, 'processedOn', 'pb', 'progress')
    -- As it is now: a task that preferred a node may have fallen back since it was held before.
    if bound then
      redis.call('HSET', jobKey, 'cm:bound', 1)
    else
      redis.call('HDEL', jobKey, 'cm:bound')
    end
    holdClaimed({keys[1], keys[2], keys[3], names.held, heldKey}, id, jobKey, names.pool .. ' ' .. why, place,
      names.holdScore, why)
    if homeThere then
      local incarnation = redis.call('HGET', keys[4], home) or '0'
      redis.call('PUBLISH', names.presence .. home .. '~' .. incarnation, 'held ' .. names.pool .. ' ' .. why)
    end
    return false
  end

  redis.call('ZREM', heldKey, id)
  if home and home ~= node then
    -- The run has to begin without what the session was about; the task says so.
    redis.call('HSET', jobKey, 'cm:movedFrom', home)
  end
  redis.call('HDEL', jobKey, 'cm:waitedFor', 'cm:bound')
  -- Should this claim be held before its run has begun, the session is at home where it was; see hold-task.lua.
  redis.call('HSET', key, 'node', node, 'homeBefore', home or '', 'claim', redis.call('GET', jobKey .. ':lock') or '')
  occupy(key, current, this)
  return true, home ~= node and home or nil
end
