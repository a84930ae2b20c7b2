--[[
  Reads what a node regularly checks about the rest of the mesh.

  ARGV: count (how many nodes to pick at random), pools that the caller serves...
  Result: {Redis' report on its memory, for each pool 1 if it is paused and 0 if not, then for each picked node: its
  id, its record}
  Invariant: changes nothing.
]]
--- @include layout

local count = ARGV[1]
local pools = {unpack(ARGV, 2)}
local mesh = meshKeys(KEYS[1])

local result = {redis.call('INFO', 'memory')}
for _, name in ipairs(pools) do
  local pool = poolKeys(mesh.prefix, name)
  result[#result + 1] = redis.call('HEXISTS', pool.meta, 'paused')
end
local nodes = redis.call('ZRANDMEMBER', mesh.leases, count)
if #nodes > 0 then
  local records = redis.call('HMGET', mesh.nodes, unpack(nodes))
  for i, node in ipairs(nodes) do
    result[#result + 1] = node
    result[#result + 1] = records[i]
  end
end
return result
