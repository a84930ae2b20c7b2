-- Takes from a list of tasks those that do not stand in `state` any more. Looks at `size` of them from `first` on; returns where to
-- go on, 0 when through.
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
