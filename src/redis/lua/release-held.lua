--[[
  Lets go on what was held, where what it waited for has come: the circuit has closed, or it's time for a probe; the tasks
  it comes after have completed (or one has failed, and so does it). Looks at one pool and reason, some tasks per call.

  KEYS[1] held tasks of this pool and reason (sorted set)  KEYS[2] set of what is held  KEYS[3] circuits (hash)
  KEYS[4] wait  KEYS[5] prioritized  KEYS[6] marker  KEYS[7] meta  KEYS[8] events  KEYS[9] pc  KEYS[10] delayed
  KEYS[11] failed
  ARGV[1] member of KEYS[2]   ARGV[2] circuit, '' for tasks that come after others   ARGV[3] prefix of the pool's tasks
  ARGV[4] prefix of all tasks (the pool follows)   ARGV[5] tasks looked at   ARGV[6] first of them

  Result: {next to look at (0 when through), released, failed}
]]
--- @include now
--- @include back-in-queue
--- @include end-task

local now = redisNow()
local queueKeys = {KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]}

local function release(id, atHead)
  redis.call('ZREM', KEYS[1], id)
  -- Somebody may have cancelled or removed it meanwhile.
  if redis.call('ZREM', KEYS[10], id) == 0 then return false end
  local jobKey = ARGV[3] .. id
  redis.call('HDEL', jobKey, 'cm:held')
  redis.call('HSET', jobKey, 'delay', 0)
  backInQueue(queueKeys, id, jobKey, atHead, 'delayed')
  return true
end

local released, failed, next = 0, 0, 0
if ARGV[2] ~= '' then
  local raw = redis.call('HGET', KEYS[3], ARGV[2])
  local circuit = raw and cjson.decode(raw)
  if not circuit or not circuit.openedAt then
    -- The newest first, each to the head: the oldest ends up before all.
    local ids = redis.call('ZREVRANGE', KEYS[1], 0, tonumber(ARGV[5]) - 1)
    for _, id in ipairs(ids) do
      if release(id, true) then released = released + 1 end
    end
  else
    -- The probe of a node that died is still going on elsewhere; one that has ended otherwise is none any more.
    if circuit.probe then
      local probeKey = ARGV[3] .. circuit.probe
      local alive = redis.call('EXISTS', probeKey) == 0 or redis.call('HEXISTS', probeKey, 'finishedOn') == 0
      if redis.call('EXISTS', probeKey) == 1 and redis.call('HEXISTS', probeKey, 'cm:held') == 1 then alive = false end
      if not alive then circuit.probe = nil end
    end
    if not circuit.probe and now >= circuit.dueAt then
      for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, 9)) do
        if release(id, true) then
          circuit.probe = id
          redis.call('HSET', KEYS[3], ARGV[2], cjson.encode(circuit))
          released = 1
          break
        end
      end
    end
  end
else
  local first = tonumber(ARGV[6])
  local members = redis.call('ZRANGE', KEYS[1], first, first + tonumber(ARGV[5]) - 1)
  local gone = 0
  for _, id in ipairs(members) do
    local jobKey = ARGV[3] .. id
    local after = redis.call('HGET', jobKey, 'cm:after')
    if not after then
      local data = redis.call('HGET', jobKey, 'data')
      if data then
        local parts = {}
        local readable, spec = pcall(cjson.decode, data)
        for _, task in ipairs(readable and type(spec) == 'table' and spec.after or {}) do
          parts[#parts + 1] = task.pool .. ':' .. task.id
        end
        after = table.concat(parts, ' ')
        redis.call('HSET', jobKey, 'cm:after', after, 'cm:held', 'after')
      end
    end
    if not after then
      -- Somebody has removed it meanwhile.
      redis.call('ZREM', KEYS[1], id)
      gone = gone + 1
    else
      local open, broken = false, nil
      for name in string.gmatch(after, '%S+') do
        local state = redis.call('HMGET', ARGV[4] .. name, 'finishedOn', 'cm:error', 'timestamp')
        local other = string.match(name, ':(.*)$')
        if not state[3] then
          broken = 'task ' .. other .. ', which it comes after, is gone'
        elseif not state[1] then
          open = true
        elseif state[2] then
          broken = 'task ' .. other .. ', which it comes after, has failed'
        end
      end
      if broken then
        if redis.call('ZREM', KEYS[10], id) > 0 then
          endTask({KEYS[11], KEYS[8]}, id, jobKey, {kind = 'invalid', message = broken}, now, 'delayed')
          failed = failed + 1
        end
        redis.call('ZREM', KEYS[1], id)
        gone = gone + 1
      elseif not open then
        if release(id, false) then released = released + 1 end
        gone = gone + 1
      end
    end
  end
  if #members == tonumber(ARGV[5]) then
    next = first + #members - gone
  end
end
if redis.call('ZCARD', KEYS[1]) == 0 then
  redis.call('SREM', KEYS[2], ARGV[1])
end
return {next, released, failed}
