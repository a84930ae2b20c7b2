--- @include layout

-- The desired state of a node as set-desired-state.lua stores it; '' for none. A pause that is over and a drill are
-- removed: only one heartbeat gets a drill, so that no later incarnation repeats it.
local function takeDesiredState(mesh, node, now)
  local desired = redis.call('HGET', mesh.control, node) or ''
  if desired == '' or desired == 'drain' then
    return desired
  end
  local ends = tonumber(string.match(desired, '^pause %d+ (%d+) '))
  if ends and (ends == 0 or now < ends) then
    return desired
  end
  redis.call('HDEL', mesh.control, node)
  return ends and '' or desired
end
