-- The check before every change by a node: is this incarnation the current one, and does it still have the claim on
-- the task?

-- A node that was declared dead or has restarted has another incarnation by now.
local function isFenced(mesh, node, incarnation)
  return redis.call('HGET', mesh.incarnations, node) ~= incarnation
end

-- The lock of a task holds the token of its claim.
local function owns(taskKey, token)
  return redis.call('GET', taskKey .. ':lock') == token
end

-- Why a node may not change a task: its incarnation is fenced, or the claim on the task is no longer its own. nil if
-- it may.
local function refusal(mesh, node, incarnation, taskKey, token)
  if isFenced(mesh, node, incarnation) then return 'fenced' end
  if not owns(taskKey, token) then return 'claim-gone' end
end
