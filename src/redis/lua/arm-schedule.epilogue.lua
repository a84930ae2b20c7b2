--[[
  Runs behind BullMQ's addJobScheduler, in the same step: what has its next task now is stored. Field `cm` marks our job
  schedulers among those that other programs have made with BullMQ.

  KEYS and ARGV: see arm-schedule.prelude.lua   reply: what BullMQ answers
]]
if type(reply) == 'table' then
  redis.call('HSET', KEYS[12], ARGV[3], ARGV[11])
  redis.call('HSET', scheduler, 'cm', 1)
  redis.call('SADD', KEYS[13], ARGV[14])
end
return reply
