--[[
  Adds tasks to a pool's queue, in their order. A task whose id already exists is left unchanged.

  ARGV pool   then for each task: its id   its data (JSON)   its BullMQ options (JSON)   priority   delay (ms)   why
  it is held   the tasks it comes after ('<pool>:<id> ...')   its idempotency key   its session ('<agent>|<session>')
  its needs (see `needsOf` in domain/target.ts)   the outbox for its answer; each of the last six is '' for none.
  Everything that scripts read is in separate fields: no script parses the task itself, since two JSON parsers may read one text differently
  Result: for each task with a key, '' if it is queued now, else the owner of the key: '<pool> <id>', followed by '
  ended' if that task has been removed
  Invariant: a held task is on the list of its reason from the step in which it is queued. A key and its task are
  written in one step, so that there is no key without a task. The key of a vanished task may be used again.
]]
--- @include layout
--- @include now
--- @include new-task
--- @include hold

local poolName = ARGV[1]
local mesh, pool, now = meshKeys(KEYS[1]), poolKeys(KEYS[1], poolName), redisNow()

-- The task that owns the key; nil if no other task does.
local function keyOwner(key, own)
  local owner = redis.call('GET', mesh.idempotency .. key)
  if owner and owner ~= own then
    local theirPool, id, ended = string.match(owner, '^(%S+) (%S+)(.*)$')
    if id and (ended ~= '' or redis.call('EXISTS', mesh.prefix .. ':' .. theirPool .. ':' .. id) == 1) then
      return owner
    end
  end
end

-- Returns whether the task is in line, so that a node must be woken.
local function queue(id, task, reason, after, session, needs, box)
  local more = {}
  if after ~= '' then
    more = {'cm:after', after}
  end
  if session ~= '' then
    more[#more + 1], more[#more + 2], more[#more + 3], more[#more + 4] = 'cm:session', session, 'cm:needs', needs
  end
  if box ~= '' then
    more[#more + 1], more[#more + 2] = 'cm:box', box
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
for i = 2, #ARGV, 11 do
  local id, data, options, priority, delayMs, reason, after, key, session, needs, box = unpack(ARGV, i, i + 10)
  local own = poolName .. ' ' .. id
  local owner = key ~= '' and keyOwner(key, own) or nil
  if not owner and redis.call('EXISTS', pool.tasks .. id) == 0 then
    local task = {data = data, options = options, priority = tonumber(priority), delayMs = tonumber(delayMs)}
    wakes = queue(id, task, reason, after, session, needs, box) or wakes
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
