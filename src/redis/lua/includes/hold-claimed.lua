-- Takes a claimed task out of the queue until what it waits for comes, as if it had not been claimed.
-- keys: {active, delayed, events, held (set), held tasks of this pool and reason (sorted set)}
-- `order`: its place among those; `score`: of a delayed task that waits for no time
local function holdClaimed(keys, taskId, jobKey, member, order, score, why)
  redis.call('LREM', keys[1], -1, taskId)
  redis.call('DEL', jobKey .. ':lock')
  redis.call('HSET', jobKey, 'cm:held', why)
  redis.call('ZADD', keys[2], score, taskId)
  redis.call('ZADD', keys[5], order, taskId)
  redis.call('SADD', keys[4], member)
  redis.call('XADD', keys[3], 'MAXLEN', '~', 10000, '*', 'event', 'delayed', 'jobId', taskId, 'delay', score)
end
