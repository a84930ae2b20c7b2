-- Records an event of the mesh, for people and programs that watch it. `fields`: names and values.
local function meshEvent(mesh, event, now, fields)
  redis.call('XADD', mesh.events, 'MAXLEN', '~', '10000', '*', 'at', string.format('%.0f', now), 'event', event, unpack(fields))
end
