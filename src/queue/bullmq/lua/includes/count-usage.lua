-- Adds what a run has used to the sums of the day (since 1970, UTC), one hash a day with a life of its own. None of this ends
-- the step, in which the task has ended already: a sum that can't be counted up stays as it is.
-- usage: {agent, model, tokens read, tokens written, tokens in all, cost or false, how long the day's sums are kept (ms)}, JSON
local function countUsage(mesh, usage, now)
  local agent, model, input, output, total, cost, keepMs = unpack(cjson.decode(usage))
  local sums, field = mesh.usage .. math.floor(now / 86400000), agent .. '|' .. model .. '|'
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
  if cost then
    redis.pcall('HINCRBYFLOAT', sums, field .. 'cost', cost)
  end
end
