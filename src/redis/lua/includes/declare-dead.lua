-- Fences the node's current incarnation, takes its lease away and leaves a note of why for those who put its tasks back.
-- keys: {incarnations, leases, deaths, presence, gone}. `heldUntil` (ms, or nil) keeps its tasks where they are till then.
local function declareDead(keys, node, incarnation, reason, lastSignAt, heldUntil)
  redis.call('HINCRBY', keys[1], node, 1)
  redis.call('ZREM', keys[2], node)
  redis.call('HDEL', keys[4], node)
  redis.call('HDEL', keys[5], node)
  redis.call('HSET', keys[3], node .. '~' .. incarnation,
    cjson.encode({reason = reason, lastSignAt = lastSignAt, heldUntil = heldUntil}))
end
