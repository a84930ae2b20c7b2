-- Adds the usage of a run to the sums of the day (since 1970, UTC): one hash per day, which expires by itself. An
-- error here must not abort the step, in which the task has already ended: a sum that can't be incremented stays as it
-- is.
-- usage: {agent, model, input tokens, output tokens, total tokens, cost or false, how long the sums of a day are kept
-- (ms)}, JSON
local function countUsage(mesh, usage, now)
  local agent, model, input, output, total, cost, keepMs = unpack(cjson.decode(usage))
  local sums, field = mesh.usage .. math.floor(now / 86400000), agent .. '|' .. model .. '|'
  -- Names are untrusted input: beyond about 400 agents and models a day, they share one sum.
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
