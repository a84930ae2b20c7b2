-- Removes all that is kept by the id of a node, which has no lease that runs. The highest incarnation of all forgotten nodes
-- is kept in field '' of `incarnations`: a node that comes back begins above it, so that its former lives stay fenced.
-- base: the part that all keys of the mesh begin with
local function forgetNode(base, node)
  local incarnations = base .. '/incarnations'
  local incarnation = tonumber(redis.call('HGET', incarnations, node) or '0')
  local highest = tonumber(redis.call('HGET', incarnations, '') or '0')
  redis.call('HSET', incarnations, '', math.max(highest, incarnation))
  for _, name in ipairs({'incarnations', 'nodes', 'presence', 'gone', 'control', 'loads', 'absent', 'serves'}) do
    redis.call('HDEL', base .. '/' .. name, node)
  end
  redis.call('ZREM', base .. '/leases', node)
  for _, owner in ipairs(redis.call('HKEYS', base .. '/deaths')) do
    if string.match(owner, '^([^~]*)~') == node then
      redis.call('HDEL', base .. '/deaths', owner)
    end
  end
  for _, pool in ipairs(redis.call('SMEMBERS', base .. '/pools')) do
    redis.call('HDEL', base .. '/free:' .. pool, node)
    redis.call('HDEL', base .. '/turns:' .. pool, node)
    redis.call('HDEL', base .. '/tokens', pool .. ':' .. node)
    redis.call('DEL', base .. '/call:' .. pool .. ' ' .. node)
  end
end
