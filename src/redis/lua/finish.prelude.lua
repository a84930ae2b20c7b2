--[[
  Runs in front of BullMQ's moveToFinished, in the same step: refuses a fenced incarnation, sets the time, counts the tokens
  that the run has used, and takes no next task where the circuits have changed meanwhile, or the strategy gives it to
  another node.

  KEYS[11] set that the task ends up in   KEYS[12] task hash   KEYS[15] incarnations (hash)   KEYS[16] version of the circuits   KEYS[17] usage (hash)
  ARGV[10] lock token of the next claim, if BullMQ is to fetch one (see fenced-scripts.ts)   ARGV[11] lock token
  ARGV[12] usage (JSON: agent, model, input, output, total, cost), or ''   ARGV[13...17]: as ARGV[4...8] of a claim
  BullMQ's ARGV[2] is the time (ms), ARGV[6] '1' to fetch

  Result: -20 if fenced, else what BullMQ answers, or {'again'} where the next task has been held for its session
]]
--- @include now
if redis.call('HGET', KEYS[15], ARGV[13]) ~= ARGV[14] then
  return -20
end
local now, node, names, incarnations = redisNow(), ARGV[13], ARGV[17], KEYS[15]
ARGV[2] = string.format('%.0f', now)
if ARGV[6] == '1' then
  if (redis.call('GET', KEYS[16]) or '0') ~= ARGV[15] then
    ARGV[6] = '0'
  elseif ARGV[16] ~= '' and redis.call('GET', KEYS[12] .. ':lock') == ARGV[11] then
--- @include dispatch
    if not mayTake({KEYS[1], KEYS[3], KEYS[7], KEYS[9]}, KEYS[15], cjson.decode(names), node, ARGV[14], ARGV[16], now) then
      ARGV[6] = '0'
    end
  end
end
if string.sub(KEYS[11], -7) == ':failed' and redis.call('GET', KEYS[12] .. ':lock') == ARGV[11] then
--- @include mesh-event
  local known = cjson.decode(names)
  meshEvent(known.events, 'dead-letter', now, {'task', ARGV[1], 'pool', known.pool, 'node', node, 'reason', ARGV[4]})
end
if ARGV[12] ~= '' and redis.call('GET', KEYS[12] .. ':lock') == ARGV[11] then
  local usage = cjson.decode(ARGV[12])
  -- Days since 1970 (UTC).
  local field = math.floor(now / 86400000) .. '|' .. usage.agent .. '|' .. usage.model .. '|'
  redis.call('HINCRBY', KEYS[17], field .. 'tasks', 1)
  for _, what in ipairs({'input', 'output', 'total'}) do
    redis.call('HINCRBY', KEYS[17], field .. what, usage[what])
  end
  if usage.cost then
    redis.call('HINCRBYFLOAT', KEYS[17], field .. 'cost', usage.cost)
  end
end
