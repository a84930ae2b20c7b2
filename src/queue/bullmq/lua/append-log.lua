--[[
  Adds lines to a task's log and stores its latest progress, if the claim still holds. BullMQ's own log and progress
  calls are not fenced: a fenced node could overwrite the progress of its successor.

  ARGV pool   node id   incarnation   lock token   task id   lines to keep   progress (JSON or '')   then the lines
  Result: 'done'; 'fenced'; 'claim-gone'
]]
--- @include layout
--- @include fence

local poolName, node, incarnation, token, id, keptLines, progress = unpack(ARGV, 1, 7)
local mesh, pool = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName)
local taskKey = pool.tasks .. id

local refused = refusal(mesh, node, incarnation, taskKey, token)
if refused then
  return refused
end
for i = 8, #ARGV do
  redis.call('RPUSH', taskKey .. ':logs', ARGV[i])
end
redis.call('LTRIM', taskKey .. ':logs', -tonumber(keptLines), -1)
if progress ~= '' then
  redis.call('HSET', taskKey, 'progress', progress)
end
return 'done'
