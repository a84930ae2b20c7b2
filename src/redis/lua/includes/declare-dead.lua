--- @include mesh-event

-- Fences the node's current incarnation, takes its lease away and leaves a note of why for those who put its tasks back.
-- keys: {incarnations, leases, deaths, presence, gone, events}. `now` and `lastSignAt` in ms. `heldUntil` (ms, or nil) keeps its tasks where they are till then.
local function declareDead(keys, node, incarnation, reason, now, lastSignAt, heldUntil)
  redis.call('HINCRBY', keys[1], node, 1)
  -- One that has stopped, or been declared dead before, has no lease any more.
  if redis.call('ZREM', keys[2], node) == 1 then
    meshEvent(keys[6], 'node-dead', now, {'node', node, 'incarnation', incarnation, 'reason', reason,
      'silentMs', string.format('%.0f', math.max(0, now - lastSignAt))})
  end
  redis.call('HDEL', keys[4], node)
  redis.call('HDEL', keys[5], node)
  redis.call('HSET', keys[3], node .. '~' .. incarnation,
    cjson.encode({reason = reason, lastSignAt = lastSignAt, heldFrom = heldUntil and now, heldUntil = heldUntil}))
end
