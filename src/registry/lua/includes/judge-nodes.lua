--- @include declare-dead
--- @include ms

-- The reply to a command with any number of arguments after the first two. Lua passes only about 8,000 arguments at
-- once.
local function callWithMany(command, subject, words)
  local most = 5000
  if #words <= most then return redis.call(command, subject, unpack(words)) end
  local replies = {}
  for from = 1, #words, most do
    local part = redis.call(command, subject, unpack(words, from, math.min(from + most - 1, #words)))
    for _, reply in ipairs(part) do
      replies[#replies + 1] = reply
    end
  end
  return replies
end

--[[
  Declares the dead among these nodes dead; `leaseEnds`: when the lease of each ends (ms). A node is dead when its
  lease has ended (missed heartbeats), or when its presence has been gone for the grace. Presence is a subscription to
  the node's own channel: a crash closes the connection at once. It counts only if this run of the Redis server has
  seen it, because a restart or failover of Redis drops the presence of every node.

  options: see sweepOptions (sweep.lua)   leasesFrom, presenceFrom: no lease and no absence is judged before these
  (Redis time, ms)
  Returns the dead as {node, incarnation, reason, silence (ms), ...}, and the time until the next grace ends (ms; 0 if
  no node is absent).
]]
local function judgeNodes(mesh, now, nodes, leaseEnds, options, leasesFrom, presenceFrom)
  local grace = options.grace
  local dead, due = {}, 0
  if #nodes == 0 then return dead, due end
  local function dueIn(time)
    due = due == 0 and time or math.min(due, time)
  end

  local runId = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  local incarnations = callWithMany('HMGET', mesh.incarnations, nodes)
  local seen = callWithMany('HMGET', mesh.presence, nodes)
  local gone = callWithMany('HMGET', mesh.absentSince, nodes)
  local channels = {}
  for i, node in ipairs(nodes) do
    channels[i] = mesh.presenceChannels .. node .. '~' .. (incarnations[i] or '0')
  end
  local counts = callWithMany('PUBSUB', 'NUMSUB', channels)

  for i, node in ipairs(nodes) do
    local incarnation = incarnations[i] or '0'
    local here = incarnation .. '@' .. runId
    local reason, lastSignAt
    if counts[i * 2] > 0 then
      if seen[i] ~= here then redis.call('HSET', mesh.presence, node, here) end
      if gone[i] then redis.call('HDEL', mesh.absentSince, node) end
    elseif seen[i] == here then
      local goneAt = tonumber(gone[i])
      if not goneAt or goneAt > now then
        redis.call('HSET', mesh.absentSince, node, ms(now))
        dueIn(math.max(1, grace))
      elseif now >= presenceFrom and now - goneAt >= grace then
        reason, lastSignAt = 'crash', goneAt
      else
        dueIn(math.max(1, grace - (now - goneAt)))
      end
    end
    if not reason and now >= leasesFrom and leaseEnds[i] <= now then
      reason, lastSignAt = 'heartbeat', leaseEnds[i] - options.lease
    end
    if reason then
      declareDead(mesh, node, incarnation, reason, now, lastSignAt, nil)
      for _, value in ipairs({node, incarnation, reason, now - lastSignAt}) do
        dead[#dead + 1] = value
      end
    end
  end
  return dead, due
end
