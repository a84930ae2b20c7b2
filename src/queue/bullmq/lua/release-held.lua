--[[
  Lets go on what was held, where what it waited for has come or will not come. Any node may run this at any time. Looks
  at
  some reasons per call, and at a bounded number of tasks:

  - `after`: the tasks before it have completed; or one has failed or is gone, and so it fails.
  - `circuit:…`: the circuit has closed, or it is time for a probe.
  - `session:…`: the task that the session was busy with has ended, or can not run at present, and the session's sticky
  node is
    gone or does not take it. Only the first task of a session goes, to the head of the queue.
  - `prefer:…`: the node that the tasks would rather run on is gone, or has not taken them for the sticky timeout.
  - other targets wait for a node that may run them; what is left of cancelled tasks is cleared away.

  ARGV tasks to look at in this call   how many tasks of the first reason were looked at before   sticky timeout (ms):
  longest wait
  for a node that is there and does not take a task   then reasons, as members of the set of what is held: `<pool>
  <reason>`

  Result: {reasons that are through, tasks of the next one that were looked at, released, failed, then for each reason
  that
  waits for nodes: the member, and the one node that may take its tasks now, '' for any that may run them}
  Invariants: of a session, no task is let go while another one of it may run; what is let go leaves the index and
  BullMQ's
  delayed set, and enters the queue, in one step.
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
