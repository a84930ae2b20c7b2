-- Removes tasks from a list that are no longer in `state`. Checks `size` tasks from `first` on; returns where to
-- continue, 0 at the end.
local function dropStrays(list, state, first, size)
  local ids = redis.call('ZRANGE', list, first, first + size - 1)
  local dropped = 0
  for _, id in ipairs(ids) do
    if not redis.call('ZSCORE', state, id) then
      dropped = dropped + redis.call('ZREM', list, id)
    end
  end
  return #ids == size and first + size - dropped or 0
end
