--- @include release-task
--- @include node-present

-- Tasks of a pool that prefer one node. Returns that node if it may claim some of them now, the numbers of checked and
-- released tasks, and 0 if there are more to release at once.
local function releasePreferring(mesh, pool, list, node, most, stickyMs, now)
  local present = nodePresent(mesh, node, pool, now)
  -- The list is ordered by the time of the hold. The newest first, each to the head, so that the oldest ends up first.
  local upTo = present and string.format('%.0f', now - stickyMs) or '+inf'
  local ids = redis.call('ZREVRANGEBYSCORE', list, upTo, '-inf', 'LIMIT', 0, most)
  local released = 0
  for _, id in ipairs(ids) do
    if releaseTask(pool, list, id, true) then
      redis.call('HSET', pool.tasks .. id, 'cm:fellBack', 1)
      released = released + 1
    end
  end
  local left = present and firstHeld(pool, list)
  return left and node or nil, math.max(1, #ids), released, #ids == most and 0 or nil
end
