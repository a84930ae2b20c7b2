--- @include node-there
--- @include hold-claimed

-- OpenClaw keeps a session's state on the machine where it ran. So a session has a home, the node that ran its last task,
-- and one task at a time; those that come while it is busy, or on another node than its home, are held in their order.

-- How long a session's home is remembered after its last task, ms: 30 days.
local SESSION_MS = 2592000000
-- Ended tasks of a session that are remembered for a node that has to start it anew.
local RECENT = 10

-- What is wanted of a task, where it has a session; nil where it has none.
local function specWithSession(fields)
  for i = 1, #fields, 2 do
    if fields[i] == 'data' then
      local readable, spec = pcall(cjson.decode, fields[i + 1])
      return readable and type(spec) == 'table' and type(spec.session) == 'string' and spec or nil
    end
  end
end

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

-- Whether a list allows this; no list allows all, and nothing is allowed anywhere.
local function allowed(list, what)
  if not list or not what then return true end
  for _, one in ipairs(list) do
    if one == what then return true end
  end
  return false
end

-- To be called with a task that was just claimed. Whether it may run: it has no session, or its session is free, at home
-- here, and the task is the first of it. Otherwise the task is held, and the session's home told of it.
-- keys: {active, delayed, events, incarnations}   fields: the task's hash as a flat list
-- names: {base, pool, labels, allow, holdScore, held; prefixes: sessions, heldTasks, tasks, presence}
local function enterSession(keys, names, node, id, fields, now)
  local spec = specWithSession(fields)
  if not spec then return true end
  local this = names.pool .. ':' .. id
  local jobKey = names.tasks .. this
  -- A task that is for another node is let go by this one afterwards, and has not begun here.
  local fellBack = redis.call('HEXISTS', jobKey, 'cm:fellBack') == 1
  if spec.node and spec.node ~= node and not fellBack then return true end
  if spec.require then
    for label, value in pairs(spec.require) do
      if names.labels[label] ~= value then return true end
    end
  end

  if names.allow and not (allowed(names.allow.agents, spec.agent or 'main') and allowed(names.allow.models, spec.model)) then
    return true
  end

  local session = (spec.agent or '') .. '|' .. spec.session
  local key = names.sessions .. session
  local why = 'session:' .. session
  local heldKey = names.heldTasks .. names.pool .. ' ' .. why
  local state = redis.call('HMGET', key, 'node', 'task')
  local home, current = state[1] or nil, state[2] or nil
  local place = tonumber(redis.call('HGET', jobKey, 'cm:place') or nil)

  local mustWait = false
  if current ~= this then
    if sessionTask(current, names.tasks) then
      mustWait = true
    else
      local first, firstPlace = firstOfSession(heldKey, keys[2], current, names.pool)
      mustWait = first ~= nil and first ~= id and (not place or firstPlace < place)
    end
  end
  local bound = (spec.node ~= nil and not fellBack) or spec.require ~= nil
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
    fields[#fields + 1] = 'cm:movedFrom'
    fields[#fields + 1] = home
  end
  redis.call('HDEL', jobKey, 'cm:waitedFor', 'cm:bound')
  -- Should this claim be held before its run has begun, the session is at home where it was; see hold-task.lua.
  redis.call('HSET', key, 'node', node, 'homeBefore', home or '', 'claim', redis.call('GET', jobKey .. ':lock') or '')
  occupy(key, current, this)
  return true
end
