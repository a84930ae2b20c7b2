-- What is asked before every change that a node makes: is this incarnation of it still the current one, and is the task
-- still its claim?

-- A node that was declared dead, or has started anew, has another incarnation by now.
local function isFenced(mesh, node, incarnation)
  return redis.call('HGET', mesh.incarnations, node) ~= incarnation
end

-- The lock of a task holds the token of the claim that has it.
local function owns(taskKey, token)
  return redis.call('GET', taskKey .. ':lock') == token
end

-- Why a node may not change a task: its incarnation is over, or the task is not its claim any more. nil where it may.
local function refusal(mesh, node, incarnation, taskKey, token)
  if isFenced(mesh, node, incarnation) then return 'fenced' end
  if not owns(taskKey, token) then return 'claim-gone' end
end
