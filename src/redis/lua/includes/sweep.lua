--- @include declare-dead

-- The answer of a command that takes any number of words after its first two. Lua hands over some 8,000 at once.
local function askOfAll(command, subject, words)
  local most = 5000
  if #words <= most then return redis.call(command, subject, unpack(words)) end
  local answers = {}
  for from = 1, #words, most do
    local part = redis.call(command, subject, unpack(words, from, math.min(from + most - 1, #words)))
    for _, answer in ipairs(part) do
      answers[#answers + 1] = answer
    end
  end
  return answers
end

--[[
  Looks for dead nodes and declares them dead. Whoever comes soon after another gets an early answer, so that the work does
  not grow with the number of nodes.

  A node is dead when its lease has ended (heartbeats missed), or when its presence, a subscription to a channel of its
  own, has been gone for the grace although it was there on this very run of the Redis server: a crash closes the
  connection at once. After a restart or failover of Redis everybody's is gone, which therefore means nothing.
  When the last sweep is long ago, or still to come, Redis was frozen, everybody slept, or Redis' clock jumped: then all get
  one more lease before they are judged, and lapsed claims one more renewal (requeue-claims.lua). No lease lasts longer than
  its own length from now, whatever a clock that went back has made of it. An early answer, to a sweep or a heartbeat, shows
  as well that Redis was not frozen.

  KEYS[1] incarnations (hash)  KEYS[2] leases (sorted set)  KEYS[3] deaths (hash)  KEYS[4] presence (hash)
  KEYS[5] gone (hash)  KEYS[6] events (stream)  KEYS[7] sweep (hash)  KEYS[8] set of what is held back
  KEYS[9] set of pools  KEYS[10] nodes (hash)  KEYS[firstPool...] wait, prioritized, meta and marker of each pool that the caller serves
  ARGV[1] node id of the caller   ARGV[2] least time between sweeps (ms)
  ARGV[3] and ARGV[4] longest time between sweeps of a healthy mesh that works, and that idles (ms)
  ARGV[5] lease (ms)   ARGV[6] grace (ms)   ARGV[7] time between two looks through all claims (ms)
  ARGV[8] prefix of presence channels   ARGV[9] prefix of pools' keys

  Result: {number of nodes with a lease, how many of them come before the caller (-1: not looked at), number of deaths not
  yet dealt with, time until the next grace is over (ms; 0 if nobody is gone), number of pools and reasons for which tasks
  are held back, 1 if there is work in the mesh and 2 if some waits in the caller's pools, 1 if the caller is to look through
  all claims, then for each node declared dead by this call: node, incarnation, reason, silence (ms)}
  Invariant: an incarnation is declared dead once.
]]
local function sweep(now, firstPool)
  -- A node that froze, or was cut off, while it waited for work may have swallowed the wake-up of a task.
  local busy = 0
  for i = firstPool, #KEYS, 4 do
    local waiting = redis.call('LLEN', KEYS[i]) > 0 or redis.call('ZCARD', KEYS[i + 1]) > 0
    if waiting and redis.call('HEXISTS', KEYS[i + 2], 'paused') == 0 then
      redis.call('ZADD', KEYS[i + 3], 0, '0')
      busy = 2
    end
  end

  local state = redis.call('HMGET', KEYS[7], 'lastAt', 'stallAt', 'leasesFrom', 'presenceFrom', 'passAt', 'busy',
    'resumedAt')
  local lastAt = tonumber(state[1] or nil)
  local deaths = redis.call('HLEN', KEYS[3])
  local held = redis.call('SCARD', KEYS[8])
  if lastAt and now - lastAt < tonumber(ARGV[2]) and now >= lastAt then
    if state[6] ~= '0' and busy == 0 then busy = 1 end
    if now <= tonumber(state[2] or '0') then
      redis.call('HSET', KEYS[7], 'stallAt', string.format('%.0f', now + tonumber(ARGV[busy > 0 and 3 or 4])))
    end
    return {redis.call('ZCARD', KEYS[2]), -1, deaths, 0, held, busy, 0}
  end

  local active = 0
  for _, pool in ipairs(redis.call('SMEMBERS', KEYS[9])) do
    active = active + redis.call('LLEN', ARGV[9] .. pool .. ':active')
  end
  if busy == 0 and (active > 0 or held > 0 or deaths > 0) then busy = 1 end
  local lease = tonumber(ARGV[5])
  local grace = tonumber(ARGV[6])
  local function number(text)
    return tonumber(text or '0') or 0
  end
  -- Numbers that no clock of ours has written must not put judgement off for ever.
  local leasesFrom, presenceFrom = math.min(number(state[3]), now + lease), math.min(number(state[4]), now + grace)
  local resumedAt = math.min(number(state[7]), now)
  local wentBack = lastAt and now < lastAt
  if not lastAt or now > number(state[2]) or wentBack then
    leasesFrom, presenceFrom = now + lease, now + grace
    if lastAt then resumedAt = now end
    redis.call('DEL', KEYS[5])
  end
  local passAt = number(state[5])
  local pass = active > 0 and (now - passAt >= tonumber(ARGV[7]) or now < passAt)
  if pass then passAt = now end
  local function ms(time)
    return string.format('%.0f', time)
  end
  redis.call('HSET', KEYS[7], 'lastAt', ms(now), 'stallAt', ms(now + tonumber(ARGV[busy > 0 and 3 or 4])),
    'leasesFrom', ms(leasesFrom), 'presenceFrom', ms(presenceFrom), 'passAt', ms(passAt), 'busy', busy,
    'resumedAt', ms(resumedAt))

  local members = redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES')
  local result = {#members / 2, 0, 0, 0, held, busy, pass and 1 or 0}
  local function dueIn(time)
    result[4] = result[4] == 0 and time or math.min(result[4], time)
  end
  if #members > 0 then
    local runId = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
    local nodes, channels = {}, {}
    for i = 1, #members, 2 do
      nodes[#nodes + 1] = members[i]
      if members[i] < ARGV[1] then result[2] = result[2] + 1 end
    end
    local incarnations = askOfAll('HMGET', KEYS[1], nodes)
    local seen = askOfAll('HMGET', KEYS[4], nodes)
    local gone = askOfAll('HMGET', KEYS[5], nodes)
    for i, node in ipairs(nodes) do
      channels[i] = ARGV[8] .. node .. '~' .. (incarnations[i] or '0')
    end
    local counts = askOfAll('PUBSUB', 'NUMSUB', channels)
    local keys = {unpack(KEYS, 1, 6)}
    -- A lease that ends later than it can was written before the clock went back. A node may have a longer one than the
    -- caller's: its record tells, which comes with its first heartbeat.
    local function cut(node, leaseEnds)
      if leaseEnds <= now + lease then return leaseEnds end
      local own = tonumber(string.match(redis.call('HGET', KEYS[10], node) or '', '"leaseMs":(%d+)') or nil)
      own = own or (wentBack and lease or nil)
      if not own or leaseEnds <= now + own then return leaseEnds end
      redis.call('ZADD', KEYS[2], ms(now + own), node)
      return now + own
    end
    for i, node in ipairs(nodes) do
      local incarnation = incarnations[i] or '0'
      local leaseEnds = cut(node, tonumber(members[i * 2]))
      local here = incarnation .. '@' .. runId
      local reason, lastSignAt
      if counts[i * 2] > 0 then
        if seen[i] ~= here then redis.call('HSET', KEYS[4], node, here) end
        if gone[i] then redis.call('HDEL', KEYS[5], node) end
      elseif seen[i] == here then
        local goneAt = tonumber(gone[i] or nil)
        if not goneAt or goneAt > now then
          redis.call('HSET', KEYS[5], node, ms(now))
          dueIn(math.max(1, grace))
        elseif now >= presenceFrom and now - goneAt >= grace then
          reason, lastSignAt = 'crash', goneAt
        else
          dueIn(math.max(1, grace - (now - goneAt)))
        end
      end
      if not reason and now >= leasesFrom and leaseEnds <= now then
        reason, lastSignAt = 'heartbeat', leaseEnds - lease
      end
      if reason then
        declareDead(keys, node, incarnation, reason, now, lastSignAt, nil)
        deaths = deaths + 1
        result[#result + 1] = node
        result[#result + 1] = incarnation
        result[#result + 1] = reason
        result[#result + 1] = now - lastSignAt
      end
    end
  end
  result[3] = deaths
  return result
end
