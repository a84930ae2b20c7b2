--- @include node-present
--- @include may-run

-- Whether a present node serves this pool and may run tasks with this target ('' for any).
local function nodeAvailable(mesh, pool, target, now)
  if redis.call('HEXISTS', pool.meta, 'paused') == 1 then
    return false
  end
  -- Usually the first node does, so the other records are not read.
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', mesh.leases, string.format('(%.0f', now), '+inf')) do
    if nodePresent(mesh, node, pool, now) then
      if target == '' then return true end
      local readable, record = pcall(cjson.decode, redis.call('HGET', mesh.nodes, node) or '{}')
      if recordMayRun(target, node, readable and type(record) == 'table' and record or {}) then return true end
    end
  end
  return false
end
