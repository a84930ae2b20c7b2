--[[
  Holds a claimed task that can't run now: its circuit may be open, its run has failed because of that, or it is for
  another node or after other tasks. The task leaves the line until its condition is met. This uses up no handover. It
  uses up an attempt only after a failed run, once the one free run is used up.

  ARGV pool   node id   incarnation   lock token   task id   why it is held   circuit ('' for another reason)   why
  the run failed ('' if it has not started)   maximum attempts of the task   its session (`<agent>|<session>`, '' for
  none)   '1' if the task prefers this node, else ''   the tasks that it comes after ('<pool>:<id> ...') if its hash
  does not name them yet, else ''
  Result: 'held'; 'may-run' (the circuit is closed, or this is the probe); 'no-further-run' (its run has failed, and
  nothing has changed); 'fenced'; 'claim-gone'
  Invariant: the task is in exactly one of active and delayed before and after.
]]
--- @include layout
--- @include now
--- @include fence
--- @include close-attempt
--- @include hold
--- @include probe
--- @include paid-by

local poolName, node, incarnation, token, id, reason, circuitName, failure, attempts, session, preferred, after = unpack(ARGV)
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()
local taskKey, hasRun = pool.tasks .. id, failure ~= ''

-- Whether the circuit lets this task run: it is closed, or the task becomes its probe.
local function passesCircuit()
  local circuit = readCircuit(mesh, circuitName)
  if not circuit or not circuit.openedAt then return true end
  local isProbe = circuit.probe == poolName .. ':' .. id
  if not isProbe and (probeLives(mesh, circuit, now) or now < probeDueAt(circuit, taskKey)) then return false end
  setProbe(circuit, pool, id, now + PROBE_RUN_MS, true)
  storeCircuit(mesh, circuitName, circuit)
  return true
end

-- Undoes the start of a run that never began, in the task and in its session.
local function undoStart()
  redis.call('HDEL', taskKey, 'processedOn', 'pb', 'progress')
  if session == '' then return end
  local sessionKey = mesh.sessions .. session
  local entered = redis.call('HMGET', sessionKey, 'claim', 'previousNode')
  if entered[1] ~= token then return end
  if entered[2] == '' then
    redis.call('HDEL', sessionKey, 'node')
  else
    redis.call('HSET', sessionKey, 'node', entered[2])
    redis.call('HDEL', taskKey, 'cm:movedFrom')
  end
end

local refused = refusal(mesh, node, incarnation, taskKey, token)
if refused then
  return refused
end
if hasRun then
  local payment = paidBy(taskKey, tonumber(attempts))
  if not payment then return 'no-further-run' end
  closeAttempt(taskKey, 'retry', failure, now)
  redis.call('HINCRBY', taskKey, payment, 1)
else
  if circuitName ~= '' and passesCircuit() then return 'may-run' end
  undoStart()
  if circuitName == '' and preferred == '1' then
    -- Even its preferred node may not run it, so any other node that may run it can.
    redis.call('HSET', taskKey, 'cm:fellBack', 1)
  end
  if after ~= '' then
    redis.call('HSET', taskKey, 'cm:after', after)
  end
end
-- A task for certain nodes, even if those must also allow its agent, does not wait for a sticky node anyway.
if string.find(reason, '^allow:') or string.find(reason, '^format:') then
  redis.call('HSET', taskKey, 'cm:notAllowedOn', node)
end
holdClaimed(mesh, pool, id, reason, now)
return 'held'
