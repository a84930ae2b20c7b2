--[[
  Adds lines to a task's log and stores its latest progress, if the claim is still ours. BullMQ's own log and progress
  calls are not fenced: a zombie could overwrite its successor's.

  KEYS[1] incarnations (hash)   KEYS[2] task hash
  ARGV[1] node id   ARGV[2] incarnation   ARGV[3] lock token   ARGV[4] lines to keep   ARGV[5] progress (JSON or '')
  ARGV[6...] lines

  Result: 0 written, -20 fenced, -6 the claim is not ours
]]
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return -20
end
if redis.call('GET', KEYS[2] .. ':lock') ~= ARGV[3] then
  return -6
end
local logs = KEYS[2] .. ':logs'
for i = 6, #ARGV do
  redis.call('RPUSH', logs, ARGV[i])
end
redis.call('LTRIM', logs, -tonumber(ARGV[4]), -1)
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[2], 'progress', ARGV[5])
end
return 0
