--[[
  Releases held tasks whose condition is met, or can no longer be met. Any node may run this at any time. Each call
  checks some reasons and a bounded number of tasks:
  - `after`: the tasks before it have completed. If one has failed or is gone, the task fails.
  - `circuit:…`: the circuit has closed, or a probe is due.
  - `session:…`: the task that the session was busy with has ended or can't run now, and the session's sticky node is
  gone or does not claim the task. Only the first task of a session is released, to the head of the line.
  - `prefer:…`: the preferred node is gone, or has not claimed the tasks within the sticky timeout.
  - Tasks with other targets wait for a node that may run them; only cancelled tasks are dropped.

  ARGV tasks to check in this call   tasks of the first reason that earlier calls have checked   sticky timeout (ms):
  longest wait for a present node that does not claim a task   then reasons, as members of the set of held tasks:
  `<pool> <reason>`
  Result: {completed reasons, checked tasks of the next reason, released, failed, then for each reason that waits for
  nodes: the member, and the only node that may claim its tasks now, '' for any node that may run them}
  Invariants: no task of a session is released while another one may run. A released task leaves the index and
  BullMQ's delayed set and enters the line in one step.
]]
--- @include layout
--- @include now
--- @include release-after
--- @include release-circuit
--- @include release-session
--- @include release-preferring

local tasksLeft, first, stickyMs = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local mesh, now = meshKeys(KEYS[1]), redisNow()
local result = {0, 0, 0, 0}

for i = 4, #ARGV do
  if tasksLeft <= 0 then break end
  local member = ARGV[i]
  local poolName, reason = string.match(member, '^(%S+) (.*)$')
  poolName, reason = poolName or '', reason or ''
  local kind, name = string.match(reason, '^(%a+):(.*)$')
  local pool, list = poolKeys(KEYS[1], poolName), mesh.heldTasks .. member
  local looked, released, failed, more = 1, 0, 0, nil
  if reason == 'after' then
    looked, released, failed, more = releaseAfter(mesh, pool, list, first, tasksLeft, now)
  elseif kind == 'circuit' then
    looked, released, more = releaseCircuit(mesh, pool, list, name, tasksLeft, now)
  else
    local node = ''
    if kind == 'session' then
      node, released = releaseSession(mesh, pool, list, name, stickyMs, now)
    elseif kind == 'prefer' then
      node, looked, released, more = releasePreferring(mesh, pool, list, name, tasksLeft, stickyMs, now)
    elseif not firstHeld(pool, list) then
      node = nil
    end
    if node then
      result[#result + 1] = member
      result[#result + 1] = node
    end
  end
  tasksLeft = tasksLeft - math.max(1, looked)
  result[3], result[4] = result[3] + released, result[4] + failed
  if redis.call('ZCARD', list) == 0 then
    redis.call('SREM', mesh.held, member)
    more = nil
  end
  first = more or 0
  if more then break end
  result[1] = result[1] + 1
end
result[2] = first
return result
