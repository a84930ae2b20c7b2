--[[
  Looks for dead nodes and declares them dead. Every node calls this now and then; whoever comes soon after another gets
  an early answer, so the work does not grow with the number of nodes.

  A node is dead when its lease has ended (heartbeats missed), or when its presence, a subscription to a channel of its
  own, has been gone for the grace although it was there on this very run of the Redis server: a crash closes the
  connection at once. After a restart or failover of Redis everybody's is gone, which therefore means nothing.
  When the last sweep is long ago, Redis was frozen or everybody slept: then all get one more lease before they are judged.

  KEYS[1] incarnations (hash)  KEYS[2] leases (sorted set)  KEYS[3] deaths (hash)  KEYS[4] presence (hash)
  KEYS[5] gone (hash)  KEYS[6] events (stream)  KEYS[7] sweep (hash)  KEYS[8] set of what is held back
  KEYS[9...] wait, prioritized, meta and marker of each pool that the caller serves
  ARGV[1] least time between sweeps (ms)   ARGV[2] longest time between sweeps of a healthy mesh (ms)
  ARGV[3] lease (ms)   ARGV[4] grace (ms)   ARGV[5] prefix of presence channels

  Result: {number of nodes with a lease, number of deaths not yet dealt with, time until the next grace is over (ms; 0 if
  nobody is gone), number of pools and reasons for which tasks are held back, then for each node declared dead by this
  call: node, incarnation, reason, silence (ms)}
  Invariant: an incarnation is declared dead once.
]]
--- @include now
--- @include declare-dead

-- A node that froze, or was cut off, while it waited for work may have swallowed the wake-up of a task.
for i = 9, #KEYS, 4 do
  local waiting = redis.call('LLEN', KEYS[i]) > 0 or redis.call('ZCARD', KEYS[i + 1]) > 0
  if waiting and redis.call('HEXISTS', KEYS[i + 2], 'paused') == 0 then
    redis.call('ZADD', KEYS[i + 3], 0, '0')
  end
end

local now = redisNow()
local lastAt = tonumber(redis.call('HGET', KEYS[7], 'lastAt') or nil)
if lastAt and now - lastAt < tonumber(ARGV[1]) and now >= lastAt then
  return {redis.call('ZCARD', KEYS[2]), redis.call('HLEN', KEYS[3]), 0, redis.call('SCARD', KEYS[8])}
end
redis.call('HSET', KEYS[7], 'lastAt', string.format('%.0f', now))

local lease = tonumber(ARGV[3])
local grace = tonumber(ARGV[4])
if not lastAt or now - lastAt > tonumber(ARGV[2]) or now < lastAt then
  redis.call('HSET', KEYS[7], 'leasesFrom', string.format('%.0f', now + lease), 'presenceFrom',
    string.format('%.0f', now + grace))
  redis.call('DEL', KEYS[5])
end
local from = redis.call('HMGET', KEYS[7], 'leasesFrom', 'presenceFrom')
local judgeLeases = now >= tonumber(from[1] or '0')
local judgePresence = now >= tonumber(from[2] or '0')

local members = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
local result = {#members / 2, 0, 0, redis.call('SCARD', KEYS[8])}
local function dueIn(ms)
  result[3] = result[3] == 0 and ms or math.min(result[3], ms)
end
if #members > 0 then
  local runId = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local nodes, channels = {}, {}
  for i = 1, #members, 2 do
    nodes[#nodes + 1] = members[i]
  end
  local incarnations = redis.call('HMGET', KEYS[1], unpack(nodes))
  local seen = redis.call('HMGET', KEYS[4], unpack(nodes))
  local gone = redis.call('HMGET', KEYS[5], unpack(nodes))
  for i, node in ipairs(nodes) do
    channels[i] = ARGV[5] .. node .. '~' .. (incarnations[i] or '0')
  end
  local counts = redis.call('PUBSUB', 'NUMSUB', unpack(channels))
  local keys = {unpack(KEYS, 1, 6)}
  for i, node in ipairs(nodes) do
    local incarnation = incarnations[i] or '0'
    local leaseEnds = tonumber(members[i * 2])
    local here = incarnation .. '@' .. runId
    local reason, lastSignAt
    if counts[i * 2] > 0 then
      if seen[i] ~= here then redis.call('HSET', KEYS[4], node, here) end
      if gone[i] then redis.call('HDEL', KEYS[5], node) end
    elseif seen[i] == here then
      local goneAt = tonumber(gone[i] or nil)
      if not goneAt then
        redis.call('HSET', KEYS[5], node, string.format('%.0f', now))
        dueIn(math.max(1, grace))
      elseif judgePresence and now - goneAt >= grace then
        reason, lastSignAt = 'crash', goneAt
      else
        dueIn(math.max(1, grace - (now - goneAt)))
      end
    end
    if not reason and judgeLeases and leaseEnds <= now then
      reason, lastSignAt = 'heartbeat', leaseEnds - lease
    end
    if reason then
      declareDead(keys, node, incarnation, reason, now, lastSignAt, nil)
      result[#result + 1] = node
      result[#result + 1] = incarnation
      result[#result + 1] = reason
      result[#result + 1] = now - lastSignAt
    end
  end
end
result[2] = redis.call('HLEN', KEYS[3])
return result
