-- BullMQ's keys of a pool are made here of the first: on the wire they were most of a request, and a third of what a node
-- does for a task. All stand under one hash tag. The first ten are the same for claims, reports and enqueuing.
local base = string.sub(KEYS[1], 1, -5) -- '{…}:<pool>:'
local mesh = string.match(base, '^{[^}]*}')
local incarnations = mesh .. '/incarnations'
KEYS[2], KEYS[3], KEYS[4], KEYS[5] = base .. 'active', base .. 'prioritized', base .. 'events', base .. 'stalled'
KEYS[6], KEYS[7], KEYS[8], KEYS[9] = base .. 'limiter', base .. 'delayed', base .. 'paused', base .. 'meta'
KEYS[10] = base .. 'pc'
