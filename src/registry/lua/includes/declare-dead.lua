--- @include mesh-event
--- @include ms

-- The time of the node's last sign of life: when its lease of `lease` ms was renewed, or `now` if it has none.
local function lastSign(mesh, node, now, lease)
  local leaseEnds = tonumber(redis.call('ZSCORE', mesh.leases, node))
  return leaseEnds and math.min(now, leaseEnds - lease) or now
end

-- Fences the node's current incarnation, removes its lease and records the reason for the nodes that requeue its
-- tasks.
-- `now` and `lastSignAt` in ms. Until `reservedUntil` (ms, or nil), no node requeues its tasks.
local function declareDead(mesh, node, incarnation, reason, now, lastSignAt, reservedUntil)
  redis.call('HINCRBY', mesh.incarnations, node, 1)
  -- A node that has stopped or was already declared dead has no lease.
  if redis.call('ZREM', mesh.leases, node) == 1 then
    meshEvent(mesh, 'node-dead', now, {'node', node, 'incarnation', incarnation, 'reason', reason,
      'silentMs', ms(math.max(0, now - lastSignAt))})
  end
  redis.call('HDEL', mesh.presence, node)
  redis.call('HDEL', mesh.absentSince, node)
  redis.call('HSET', mesh.deaths, node .. '~' .. incarnation,
    cjson.encode({reason = reason, lastSignAt = lastSignAt, reservedFrom = reservedUntil and now, reservedUntil = reservedUntil}))
end
