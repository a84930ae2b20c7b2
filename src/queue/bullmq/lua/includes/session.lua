--- @include node-present

-- OpenClaw keeps a session's state on the machine where it ran. So a session has a sticky node, the node that ran its
-- last task, and runs one task at a time. Tasks that are claimed while it is busy, or by another node than its sticky
-- node, are held in their order.

-- How long the sticky node of a session is remembered after its last task, ms: 30 days.
local SESSION_MS = 2592000000
-- Number of ended tasks of a session that are remembered for a node that has to restart the session.
local RECENT = 10

-- The task that the session is busy with, as `<pool>:<id>`; nil if the task has ended or is gone.
local function sessionTask(mesh, current)
  local taskKey = current and mesh.prefix .. ':' .. current
  if taskKey and redis.call('EXISTS', taskKey) == 1 and redis.call('HEXISTS', taskKey, 'finishedOn') == 0 then
    return current
  end
end

-- The first held task of a session in this pool, and its place; cancelled tasks are dropped. The task that the session
-- is busy with comes first regardless of its place, because all others wait for it.
-- list: the held tasks   current: `<pool>:<id>` or nil
local function firstOfSession(pool, list, current)
  local busyWith = current and string.sub(current, 1, #pool.name + 1) == pool.name .. ':' and string.sub(current, #pool.name + 2)
  if busyWith and redis.call('ZSCORE', pool.delayed, busyWith) then
    local place = redis.call('ZSCORE', list, busyWith)
    if place then return busyWith, tonumber(place) end
  end
  for _ = 1, 1000 do
    local first = redis.call('ZRANGE', list, 0, 0, 'WITHSCORES')
    if not first[1] or redis.call('ZSCORE', pool.delayed, first[1]) then
      return first[1], tonumber(first[2] or nil)
    end
    redis.call('ZREM', list, first[1])
  end
end

-- The session is busy with this task from now on, and no longer waits.
local function occupy(sessionKey, current, this)
  if current and current ~= this then
    redis.call('LREM', sessionKey .. ':recent', 0, current)
    redis.call('LPUSH', sessionKey .. ':recent', current)
    redis.call('LTRIM', sessionKey .. ':recent', 0, RECENT - 1)
    redis.call('PEXPIRE', sessionKey .. ':recent', SESSION_MS)
  end
  redis.call('HSET', sessionKey, 'task', this)
  redis.call('HDEL', sessionKey, 'waitsSince')
  redis.call('PEXPIRE', sessionKey, SESSION_MS)
end

-- Whether a task of a session has to wait for the session's sticky node. It does if that is another node, is present
-- for the task's pool, has not refused this task, and the wait for it has not timed out. A task that is for certain
-- nodes (`bound`) moves its session along.
-- node: the node that wants to run the task; '' for none yet
local function waitsForSticky(mesh, pool, taskKey, sticky, node, bound, now)
  if not sticky or sticky == node or bound then return false end
  -- The provider refused the sticky node's login, the node may not run the task, or it did not claim the task in time.
  for _, left in ipairs(redis.call('HMGET', taskKey, 'cm:refusedOn', 'cm:notAllowedOn', 'cm:waitedFor')) do
    if left == sticky then return false end
  end
  return nodePresent(mesh, sticky, pool, now)
end
