-- Whether tasks of a pool may wait for this node: its lease runs, it serves the pool, and it neither stops nor is drained.
-- What a node serves is fixed when it registers; its pools change with the next incarnation only.
-- base: the part that all keys of the mesh begin with
local function nodeThere(base, node, pool, now)
  local leaseEnds = tonumber(redis.call('ZSCORE', base .. '/leases', node) or nil)
  if not leaseEnds or leaseEnds <= now or redis.call('HGET', base .. '/control', node) == 'drain' then
    return false
  end
  local serves = redis.call('HGET', base .. '/serves', node)
  if serves and not string.find(' ' .. serves .. ' ', ' ' .. pool .. ' ', 1, true) then
    return false
  end
  return not string.find(redis.call('HGET', base .. '/nodes', node) or '', '"state":"draining"', 1, true)
end
