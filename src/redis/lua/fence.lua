-- What is asked before every change that a node makes: is this life of it still the current one, and is the task still its claim?

-- A node that was declared dead, or has started anew, has another incarnation by now.
local function isFenced(mesh, node, incarnation)
  return redis.call('HGET', mesh.incarnations, node) ~= incarnation
end

-- The lock of a task holds the token of the claim that has it.
local function owns(taskKey, token)
  return redis.call('GET', taskKey .. ':lock') == token
end
