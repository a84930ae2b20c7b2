--- @include mesh-event
--- @include ms

-- When the node gave its last sign of life, by its lease of `lease` ms: when it was renewed. Now if it has none.
local function lastSign(mesh, node, now, lease)
  local leaseEnds = tonumber(redis.call('ZSCORE', mesh.leases, node))
  return leaseEnds and math.min(now, leaseEnds - lease) or now
end

-- Fences the node's current incarnation, takes its lease away and notes why, for the nodes that requeue its tasks.
-- `now` and `lastSignAt` in ms; until `reservedUntil` (ms, or nil) its tasks stay where they are.
local function declareDead(mesh, node, incarnation, reason, now, lastSignAt, reservedUntil)
  redis.call('HINCRBY', mesh.incarnations, node, 1)
  -- A node that has stopped, or was declared dead before, has no lease any more.
  if redis.call('ZREM', mesh.leases, node) == 1 then
    meshEvent(mesh, 'node-dead', now, {'node', node, 'incarnation', incarnation, 'reason', reason,
      'silentMs', ms(math.max(0, now - lastSignAt))})
  end
  redis.call('HDEL', mesh.presence, node)
  redis.call('HDEL', mesh.absentSince, node)
  redis.call('HSET', mesh.deaths, node .. '~' .. incarnation,
    cjson.encode({reason = reason, lastSignAt = lastSignAt, reservedFrom = reservedUntil and now, reservedUntil = reservedUntil}))
end
