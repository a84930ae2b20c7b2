--[[
  What a node wants to know of its surroundings now and then.

  KEYS[1] leases (sorted set)  KEYS[2] nodes (hash)  KEYS[3...] meta of each pool that the caller serves
  ARGV[1] how many nodes to pick at random

  Result: {what Redis says of its memory, for each pool whether it is paused, then of each picked node: its id, its record}
  Changes nothing.
]]
local result = {redis.call('INFO', 'memory')}
for i = 3, #KEYS do
  result[#result + 1] = redis.call('HEXISTS', KEYS[i], 'paused')
end
local ids = redis.call('ZRANDMEMBER', KEYS[1], ARGV[1])
if #ids > 0 then
  local records = redis.call('HMGET', KEYS[2], unpack(ids))
  for i, id in ipairs(ids) do
    result[#result + 1] = id
    result[#result + 1] = records[i]
  end
end
return result
