--- @include session
--- @include hold
--- @include may-run

-- Call this for a task that was just claimed and has a session. Returns whether it may run: its session is free, not
-- sticky to another present node, and the task is the first of the session. Otherwise the task is held, and the sticky
-- node is notified if the task waits for it. The second result is the previous sticky node of the session, if it was
-- another node.
-- claim: see start-task.lua   session: `<agent>|<session>`
local function enterSession(mesh, pool, id, session, claim, now)
  local this, taskKey = pool.name .. ':' .. id, pool.tasks .. id
  local asked = redis.call('HMGET', taskKey, 'cm:needs', 'cm:fellBack', 'cm:place')
  local needs, fellBack, place = asked[1] or '', asked[2], tonumber(asked[3] or nil)
  local preferred = not fellBack and string.match(needs, '^prefer:([^&]*)')
  -- This node will release a task that is for another node, so the task does not enter its session here.
  if (preferred and preferred ~= claim.node) or not recordMayRun(needs, claim.node, cjson.decode(claim.record)) then
    return true
  end

  local sessionKey, reason = mesh.sessions .. session, 'session:' .. session
  local list = mesh.heldTasks .. pool.name .. ' ' .. reason
  local state = redis.call('HMGET', sessionKey, 'node', 'task')
  local sticky, current = state[1] or nil, state[2] or nil
  local mustWait = false
  if current ~= this then
    if sessionTask(mesh, current) then
      mustWait = true
    else
      local first, firstPlace = firstOfSession(pool, list, current)
      mustWait = first ~= nil and first ~= id and (not place or firstPlace < place)
    end
  end
  local bound = preferred or string.find(needs, '^node:') or string.find(needs, '^require:')
  local stickyPresent = waitsForSticky(mesh, pool, taskKey, sticky, claim.node, bound, now)

  if mustWait or stickyPresent then
    if not place then
      place = redis.call('HINCRBY', sessionKey, 'places', 1)
      redis.call('HSET', taskKey, 'cm:place', place)
      redis.call('PEXPIRE', sessionKey, SESSION_MS)
    end
    redis.call('HDEL', taskKey, 'processedOn', 'pb', 'progress')
    -- Set at each hold: a task that preferred a node may have fallen back since the last one.
    if bound then
      redis.call('HSET', taskKey, 'cm:bound', 1)
    else
      redis.call('HDEL', taskKey, 'cm:bound')
    end
    holdClaimed(mesh, pool, id, reason, place)
    if stickyPresent then
      local incarnation = redis.call('HGET', mesh.incarnations, sticky) or '0'
      redis.call('PUBLISH', mesh.presenceChannels .. sticky .. '~' .. incarnation, 'held ' .. pool.name .. ' ' .. reason)
    end
    return false
  end

  redis.call('ZREM', list, id)
  if sticky and sticky ~= claim.node then
    -- The run has to start without the session's transcript; the task records that.
    redis.call('HSET', taskKey, 'cm:movedFrom', sticky)
  end
  redis.call('HDEL', taskKey, 'cm:waitedFor', 'cm:bound')
  -- If this claim is held before its run starts, the previous node stays the sticky node; see hold-task.lua.
  redis.call('HSET', sessionKey, 'node', claim.node, 'previousNode', sticky or '', 'claim', claim.token)
  occupy(sessionKey, current, this)
  return true, sticky ~= claim.node and sticky or nil
end
