--[[
  Puts tasks into a pool's queue, in their order. One that is there already, by its id, is left as it is.

  ARGV pool   then of each task: its id   its data (JSON)   BullMQ's options of it (JSON)   priority   delay (ms)
  why it is held   the tasks it comes after ('<pool>:<id> ...')   its idempotency key   its session ('<agent>|<session>')
  what it needs of a node (see `needsOf` in domain/target.ts); '' for none of those. What scripts look at stands in fields of its
  own: none of them reads the task itself, for two parsers of JSON may see different things in one text

  Result: for each task with a key, '' where it is queued now, else whose the key is: '<pool> <id>', ' ended' behind it where
  that one is gone
  Invariant: a held task is on the list of what holds it from the step on in which it is queued. A key and its task come
  in one step, so that there is no key without a task; one whose task has vanished is given away again.
]]
--- @include layout
--- @include now
--- @include new-task
--- @include hold

local poolName = ARGV[1]
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()

-- Whose the key is; nil where that is nobody, or this task.
local function keyOwner(key, own)
  local owner = redis.call('GET', mesh.idempotency .. key)
  if owner and owner ~= own then
    local theirPool, id, ended = string.match(owner, '^(%S+) (%S+)(.*)$')
    if id and (ended ~= '' or redis.call('EXISTS', mesh.prefix .. ':' .. theirPool .. ':' .. id) == 1) then
      return owner
    end
  end
end

-- Returns whether the task stands in line, so that a node is to be woken.
local function queue(id, task, reason, after, session, needs)
  local more = {}
  if after ~= '' then
    more = {'cm:after', after}
  end
  if session ~= '' then
    more[#more + 1], more[#more + 2], more[#more + 3], more[#more + 4] = 'cm:session', session, 'cm:needs', needs
  end
  storeTask(pool, id, task, now, more)
  if reason == '' then
    return placeTask(pool, id, task, now)
  end
  holdTask(mesh, pool, id, reason, string.format('%.0f', now))
  return false
end

redis.call('SADD', mesh.pools, poolName)
local answers, wakes = {}, false
for i = 2, #ARGV, 10 do
  local id, data, options, priority, delayMs, reason, after, key, session, needs = unpack(ARGV, i, i + 9)
  local own = poolName .. ' ' .. id
  local owner = key ~= '' and keyOwner(key, own) or nil
  if not owner and redis.call('EXISTS', pool.tasks .. id) == 0 then
    local task = {data = data, options = options, priority = tonumber(priority), delayMs = tonumber(delayMs)}
    wakes = queue(id, task, reason, after, session, needs) or wakes
  elseif not owner then
    poolEvent(pool, 'duplicated', id)
  end
  if key ~= '' then
    answers[#answers + 1] = owner or ''
  end
  if key ~= '' and not owner then
    redis.call('HSET', pool.tasks .. id, 'cm:key', key)
    redis.call('SET', mesh.idempotency .. key, own)
  end
end
if wakes then wakeNode(pool) end
return answers
