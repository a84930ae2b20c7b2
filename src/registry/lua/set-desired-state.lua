--[[
  An operator drains, pauses or resumes a node, or makes it fail for a drill. The last request counts.

  ARGV: node (id), state ('drain', 'pause' or a drill; '' to resume the node), how long a pause lasts (ms; 0 until the
  node is resumed), details of a pause (JSON)
  Result: the node's incarnation, or 'unknown' if there is no such node (nothing has changed)
  Invariant: only nodes that the mesh knows have a desired state, so forgotten nodes leave none behind.
]]
--- @include layout
--- @include now
--- @include ms

local node, state, lasts, details = unpack(ARGV)
lasts = tonumber(lasts)
local mesh = meshKeys(KEYS[1])

local incarnation = redis.call('HGET', mesh.incarnations, node)
if not incarnation then
  return 'unknown'
end
if state == '' then
  redis.call('HDEL', mesh.control, node)
elseif state == 'pause' then
  local now = redisNow()
  local ends = lasts > 0 and now + lasts or 0
  redis.call('HSET', mesh.control, node, table.concat({'pause', ms(now), ms(ends), details}, ' '))
else
  redis.call('HSET', mesh.control, node, state)
end
return tonumber(incarnation)
