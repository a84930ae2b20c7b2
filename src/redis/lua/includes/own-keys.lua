-- BullMQ's keys of a pool are made here of the first: on the wire they were most of a request, and a third of what a node
-- does for a task. All stand under one hash tag.
local base = string.sub(KEYS[1], 1, -5) -- '{…}:<pool>:'
local mesh = string.match(base, '^{[^}]*}')
local incarnations = mesh .. '/incarnations'
