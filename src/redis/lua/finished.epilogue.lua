--[[
  Runs behind BullMQ's moveToFinished, in the same step: once the task has really ended, its usage is summed up, and a failed
  one is an event of the mesh. Nothing is counted for a report that is refused, and none fails because something can't be
  counted: the task has ended by then, and the next one may have been claimed.

  ARGV[1] task id   ARGV[4] the result (JSON), or why it failed   mesh, names, allNames, node, now, state, usage, jobKey: see finish.prelude.lua
  reply: what BullMQ answers: a negative code if the report is refused
]]
--- @include mesh-event
if type(reply) ~= 'number' or reply >= 0 then
  if redis.call('HEXISTS', jobKey, 'deid') == 1 then
--- @include free-deduplication
    freeDeduplication(ARGV[1], jobKey, now)
  end
  if state == 'failed' then
    local known = allNames(names)
    meshEvent(known.events, 'dead-letter', now, {'task', ARGV[1], 'pool', known.pool, 'node', node, 'reason', ARGV[4]})
  end
  if usage ~= '' then
    -- One hash a day (since 1970, UTC), with a life of its own.
    local agent, model, input, output, total, cost, keepMs = unpack(cmsgpack.unpack(usage))
    local sums, field = mesh .. '/usage:' .. math.floor(now / 86400000), agent .. '|' .. model .. '|'
    -- Names come from outside: what is beyond some 400 agents and models a day is summed up.
    if redis.pcall('HEXISTS', sums, field .. 'tasks') == 0 and redis.call('HLEN', sums) >= 2000 then
      field = '*|*|'
    end
    if redis.pcall('HINCRBY', sums, field .. 'tasks', 1) == 1 then
      redis.call('PEXPIRE', sums, keepMs)
    end
    for what, tokens in pairs({input = input, output = output, total = total}) do
      redis.pcall('HINCRBY', sums, field .. what, tokens)
    end
    if cost ~= '' then
      redis.pcall('HINCRBYFLOAT', sums, field .. 'cost', cost)
    end
  end
end
