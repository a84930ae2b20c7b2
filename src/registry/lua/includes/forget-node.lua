--- @include layout

-- Removes everything that is stored by the id of a node without a valid lease. Field '' of `incarnations` keeps the
-- highest incarnation of all forgotten nodes. A returning node starts above it, so its previous incarnations stay
-- fenced.
local function forgetNode(mesh, node)
  local incarnation = tonumber(redis.call('HGET', mesh.incarnations, node) or '0')
  local highest = tonumber(redis.call('HGET', mesh.incarnations, '') or '0')
  redis.call('HSET', mesh.incarnations, '', math.max(highest, incarnation))

  for _, key in ipairs({mesh.incarnations, mesh.nodes, mesh.presence, mesh.absentSince, mesh.control, mesh.loads, mesh.absent,
    mesh.serves}) do
    redis.call('HDEL', key, node)
  end
  redis.call('ZREM', mesh.leases, node)
  for _, owner in ipairs(redis.call('HKEYS', mesh.deaths)) do
    if string.match(owner, '^([^~]*)~') == node then
      redis.call('HDEL', mesh.deaths, owner)
    end
  end
  for _, name in ipairs(redis.call('SMEMBERS', mesh.pools)) do
    local dispatch = dispatchKeys(mesh.prefix, name)
    redis.call('HDEL', dispatch.free, node)
    redis.call('HDEL', dispatch.turns, node)
    redis.call('DEL', dispatch.wakeups .. node)
    redis.call('HDEL', mesh.tokens, name .. ':' .. node)
  end
end
