--[[
  Runs in front of BullMQ's moveToFinished, in the same step: refuses a fenced incarnation, sets the time, counts the tokens
  that the run has used, and takes no next task where the circuits have changed meanwhile, or the strategy gives it to
  another node.

  KEYS[12] task hash   KEYS[15] usage (hash)   KEYS[16...] and ARGV[13...]: see includes/asking.lua
  ARGV[10] lock token of the next claim, if BullMQ is to fetch one (see fenced-scripts.ts)   ARGV[11] lock token
  ARGV[12] usage (JSON: agent, model, input, output, total, cost), or ''
  BullMQ's ARGV[2] is the time (ms), ARGV[6] '1' to fetch

  Result: -20 if fenced, else what BullMQ answers, or {'again'} where the next task has been held for its session
]]
--- @include now
--- @include asking

local mesh = asking({unpack(KEYS, 16)}, {unpack(ARGV, 13)})
if mesh.fenced() then
  return -20
end
local now = redisNow()
ARGV[2] = string.format('%.0f', now)
local ours = redis.call('GET', KEYS[12] .. ':lock') == ARGV[11]
if ARGV[6] == '1' and (not ours or mesh.circuitsChanged() or not mesh.mayTake({KEYS[1], KEYS[3], KEYS[7], KEYS[9]}, now)) then
  ARGV[6] = '0'
end
if ARGV[12] ~= '' and ours then
  local usage = cjson.decode(ARGV[12])
  -- Days since 1970 (UTC).
  local field = math.floor(now / 86400000) .. '|' .. usage.agent .. '|' .. usage.model .. '|'
  redis.call('HINCRBY', KEYS[15], field .. 'tasks', 1)
  for _, what in ipairs({'input', 'output', 'total'}) do
    redis.call('HINCRBY', KEYS[15], field .. what, usage[what])
  end
  if usage.cost then
    redis.call('HINCRBYFLOAT', KEYS[15], field .. 'cost', usage.cost)
  end
end
