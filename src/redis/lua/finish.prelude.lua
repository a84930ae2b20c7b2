--[[
  Runs in front of BullMQ's moveToFinished, in the same step: refuses a fenced incarnation, gives BullMQ its keys and
  arguments and Redis time, and takes no next task where the circuits have changed meanwhile, or the strategy gives it to
  another node. What is counted comes behind it (finished.epilogue.lua).

  KEYS[1] the pool's list `wait`
  ARGV[1] task id   ARGV[2] lock token   ARGV[3] 'completed', 'failed' or 'cancelled'   ARGV[4] the result (JSON), or why it failed
  ARGV[5] fields to be set (MessagePack), or ''   ARGV[6] attempts that the task has   ARGV[7] usage (MessagePack: agent,
  model, input, output, total, cost or '', how long the day's sums are kept in ms), or ''   ARGV[8] lock token of the next claim, '' to take none   ARGV[9...14] as ARGV[2...7] of a claim

  Result: -20 if fenced, else what BullMQ answers, or {'again'} where the next task has been held for its session
]]
--- @include now
--- @include all-names
--- @include own-keys
local node, names, ownToken = ARGV[10], ARGV[14], ARGV[2]
if redis.call('HGET', incarnations, node) ~= ARGV[11] then
  return -20
end
local now, state, jobKey, usage = redisNow(), ARGV[3], base .. ARGV[1], ARGV[7]
local fetch = ARGV[8] ~= '' and (redis.call('GET', mesh .. '/circuits:version') or '0') == ARGV[12]
-- BullMQ knows no other endings than two; the sorted set that the task ends up in is ours to name.
KEYS[11], KEYS[12], KEYS[13], KEYS[14] = base .. state, jobKey, base .. 'metrics:unused', base .. 'marker'
if fetch and ARGV[13] ~= '' and redis.call('GET', jobKey .. ':lock') == ownToken then
--- @include dispatch
  fetch = mayTake({KEYS[1], KEYS[3], KEYS[7], KEYS[9]}, incarnations, allNames(names), node, ARGV[11], ARGV[13], now)
end
-- How many of the ended tasks are kept is the sweep's work.
local bullOptions = {token = ARGV[8], lockDuration = ARGV[9], name = node, keepJobs = {count = -1},
  attempts = tonumber(ARGV[6]), maxMetricsSize = ''}
ARGV[9] = ARGV[5]
ARGV[2], ARGV[3] = string.format('%.0f', now), state == 'completed' and 'returnvalue' or 'failedReason'
ARGV[5], ARGV[6], ARGV[7] = state == 'completed' and state or 'failed', fetch and '1' or '0', base
