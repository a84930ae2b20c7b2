--- @include pool-event

-- A held task waits for something other than a time. It is in BullMQ's set of delayed tasks with the largest possible
-- score (HELD_SCORE in held-tasks.ts), and on the list of its reason.
local HELD_SCORE = '9007199254736896'

-- The task must not be in any other list. `order`: its position on the list of its reason.
local function holdTask(mesh, pool, id, reason, order)
  local member = pool.name .. ' ' .. reason
  redis.call('HSET', pool.tasks .. id, 'cm:held', reason)
  redis.call('ZADD', pool.delayed, HELD_SCORE, id)
  redis.call('ZADD', mesh.heldTasks .. member, order, id)
  redis.call('SADD', mesh.held, member)
  poolEvent(pool, 'delayed', id, 'delay', HELD_SCORE)
end

-- Undoes the claim as well.
local function holdClaimed(mesh, pool, id, reason, order)
  redis.call('LREM', pool.active, '-1', id)
  redis.call('DEL', pool.tasks .. id .. ':lock')
  holdTask(mesh, pool, id, reason, order)
end

-- Removes a task from the list of its reason, if it is held.
local function dropHeld(mesh, pool, id)
  local reason = redis.call('HGET', pool.tasks .. id, 'cm:held')
  if not reason then return end
  local member = pool.name .. ' ' .. reason
  redis.call('ZREM', mesh.heldTasks .. member, id)
  if redis.call('EXISTS', mesh.heldTasks .. member) == 0 then
    redis.call('SREM', mesh.held, member)
  end
end
