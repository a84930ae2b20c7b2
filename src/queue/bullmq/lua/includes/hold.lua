--- @include pool-event

-- A held task waits for something else than a time. It stands among BullMQ's delayed tasks with the largest score there is
-- (HELD_SCORE in held-tasks.ts), and on the list of what holds it.
local HELD_SCORE = '9007199254736896'

-- The task is in no other place. `order`: its place on that list.
local function holdTask(mesh, pool, id, reason, order)
  local member = pool.name .. ' ' .. reason
  redis.call('HSET', pool.tasks .. id, 'cm:held', reason)
  redis.call('ZADD', pool.delayed, HELD_SCORE, id)
  redis.call('ZADD', mesh.heldTasks .. member, order, id)
  redis.call('SADD', mesh.held, member)
  poolEvent(pool, 'delayed', id, 'delay', HELD_SCORE)
end

-- As if it had not been claimed.
local function holdClaimed(mesh, pool, id, reason, order)
  redis.call('LREM', pool.active, '-1', id)
  redis.call('DEL', pool.tasks .. id .. ':lock')
  holdTask(mesh, pool, id, reason, order)
end

-- Takes a task off the list of what holds it, if anything does.
local function dropHeld(mesh, pool, id)
  local reason = redis.call('HGET', pool.tasks .. id, 'cm:held')
  if not reason then return end
  local member = pool.name .. ' ' .. reason
  redis.call('ZREM', mesh.heldTasks .. member, id)
  if redis.call('EXISTS', mesh.heldTasks .. member) == 0 then
    redis.call('SREM', mesh.held, member)
  end
end
