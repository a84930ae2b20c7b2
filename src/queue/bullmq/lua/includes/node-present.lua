-- Whether tasks of a pool may wait for this node: its lease is valid, it serves the pool, and it neither stops nor
-- drains. The pools of a node are fixed when it registers; only its next incarnation can change them.
local function nodePresent(mesh, node, pool, now)
  local leaseEnds = tonumber(redis.call('ZSCORE', mesh.leases, node) or nil)
  if not leaseEnds or leaseEnds <= now or redis.call('HGET', mesh.control, node) == 'drain' then
    return false
  end
  local serves = redis.call('HGET', mesh.serves, node)
  if serves and not string.find(' ' .. serves .. ' ', ' ' .. pool.name .. ' ', 1, true) then
    return false
  end
  return not string.find(redis.call('HGET', mesh.nodes, node) or '', '"state":"draining"', 1, true)
end
