-- Whether the node can be counted on for tasks that wait for it: its lease runs, and it neither stops nor is drained.
-- keys: {leases, nodes, control}
local function nodeThere(keys, node, now)
  local leaseEnds = tonumber(redis.call('ZSCORE', keys[1], node) or nil)
  if not leaseEnds or leaseEnds <= now or redis.call('HGET', keys[3], node) == 'drain' then
    return false
  end
  return not string.find(redis.call('HGET', keys[2], node) or '', '"state":"draining"', 1, true)
end
