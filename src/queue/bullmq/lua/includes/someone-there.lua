--- @include node-there
--- @include may-run

-- Whether a node is there that takes tasks of this pool, and may run those with this target ('' for any).
local function someoneThere(mesh, pool, target, now)
  if redis.call('HEXISTS', pool.meta, 'paused') == 1 then
    return false
  end
  -- Mostly the first one does; it is read no further than that.
  for _, node in ipairs(redis.call('ZRANGEBYSCORE', mesh.leases, string.format('(%.0f', now), '+inf')) do
    if nodeThere(mesh, node, pool, now) then
      if target == '' then return true end
      local readable, record = pcall(cjson.decode, redis.call('HGET', mesh.nodes, node) or '{}')
      if recordMayRun(target, node, readable and type(record) == 'table' and record or {}) then return true end
    end
  end
  return false
end
