--[[
  Forgets nodes that have been away for long: all that is kept by node id. One is away when it has no lease; since when is
  noted at the first look, and noted anew when it has had another incarnation meanwhile.

  KEYS[1] incarnations (hash)  KEYS[2] leases (sorted set)  KEYS[3] nodes  KEYS[4] presence  KEYS[5] gone  KEYS[6] control
  KEYS[7] loads  KEYS[8] absent  KEYS[9] tokens  KEYS[10] serves (hashes)  KEYS[11] pools (set)
  ARGV[1] prefix of the mesh's own keys   ARGV[2] how long a node is remembered (ms)   ARGV[3...] node ids

  Result: the ids of the forgotten
  Invariant: a node that comes back after that gets a higher incarnation than it ever had: the highest of all forgotten
  ones is kept, in field '' of KEYS[1].
]]
--- @include now

local now = redisNow()
local forgotten = {}
for i = 3, #ARGV do
  local node = ARGV[i]
  local incarnation = redis.call('HGET', KEYS[1], node) or '0'
  local seen, since = string.match(redis.call('HGET', KEYS[8], node) or '', '^(%d+) (%d+)$')
  if redis.call('ZSCORE', KEYS[2], node) then
    redis.call('HDEL', KEYS[8], node)
  elseif seen ~= incarnation then
    redis.call('HSET', KEYS[8], node, incarnation .. ' ' .. string.format('%.0f', now))
  elseif now - tonumber(since) >= tonumber(ARGV[2]) then
    local highest = tonumber(redis.call('HGET', KEYS[1], '') or '0')
    redis.call('HSET', KEYS[1], '', math.max(highest, tonumber(incarnation)))
    for _, key in ipairs({KEYS[1], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[10]}) do
      redis.call('HDEL', key, node)
    end
    for _, pool in ipairs(redis.call('SMEMBERS', KEYS[11])) do
      redis.call('HDEL', ARGV[1] .. '/free:' .. pool, node)
      redis.call('HDEL', ARGV[1] .. '/turns:' .. pool, node)
      redis.call('HDEL', KEYS[9], pool .. ':' .. node)
      redis.call('DEL', ARGV[1] .. '/call:' .. pool .. ' ' .. node)
    end
    forgotten[#forgotten + 1] = node
  end
end
return forgotten
