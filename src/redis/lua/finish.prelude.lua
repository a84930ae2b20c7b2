--[[
  Runs in front of BullMQ's moveToFinished, in the same step: refuses a fenced incarnation, sets the time, counts the tokens
  that the run has used, and takes no next task where the circuits have changed meanwhile.

  KEYS[12] task hash   KEYS[last - 2] version of the circuits   KEYS[last - 1] usage (hash)
  KEYS[last] incarnations (hash)
  ARGV[last - 5] lock token of the next claim, if BullMQ is to fetch one (see fenced-scripts.ts)
  ARGV[last - 4] lock token   ARGV[last - 3] known version of the circuits
  ARGV[last - 2] usage (JSON: agent, model, input, output, total, cost), or ''
  ARGV[last - 1] node id   ARGV[last] incarnation     BullMQ's ARGV[2] is the time (ms), ARGV[6] '1' to fetch

  Result: -20 if fenced, else what BullMQ answers
]]
--- @include now
if redis.call('HGET', KEYS[#KEYS], ARGV[#ARGV - 1]) ~= ARGV[#ARGV] then
  return -20
end
ARGV[2] = string.format('%.0f', redisNow())
if (redis.call('GET', KEYS[#KEYS - 2]) or '0') ~= ARGV[#ARGV - 3] then
  ARGV[6] = '0'
end
if ARGV[#ARGV - 2] ~= '' and redis.call('GET', KEYS[12] .. ':lock') == ARGV[#ARGV - 4] then
  local usage = cjson.decode(ARGV[#ARGV - 2])
  -- Days since 1970 (UTC).
  local field = math.floor(tonumber(ARGV[2]) / 86400000) .. '|' .. usage.agent .. '|' .. usage.model .. '|'
  redis.call('HINCRBY', KEYS[#KEYS - 1], field .. 'tasks', 1)
  for _, what in ipairs({'input', 'output', 'total'}) do
    redis.call('HINCRBY', KEYS[#KEYS - 1], field .. what, usage[what])
  end
  if usage.cost then
    redis.call('HINCRBYFLOAT', KEYS[#KEYS - 1], field .. 'cost', usage.cost)
  end
end
