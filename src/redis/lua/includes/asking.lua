--- @include dispatch
--- @include enter-session

-- What comes with every request for a task, behind BullMQ's own keys and arguments.
-- keys: {incarnations, circuitsVersion, free, turns, loads, leases, nodes, control, held}
-- args: {node, incarnation, known version of the circuits, strategy, free slots of this pool, running, slots, pressure,
--   pool, labels (JSON), score of held tasks, prefixes of: calls, sessions, held tasks, tasks of all pools,
--   presence channels}
local function asking(keys, args)
  local mesh = {}

  function mesh.fenced()
    return redis.call('HGET', keys[1], args[1]) ~= args[2]
  end

  function mesh.circuitsChanged()
    return (redis.call('GET', keys[2]) or '0') ~= args[3]
  end

  function mesh.nothingHeld(member)
    redis.call('SREM', keys[9], member)
  end

  -- pool: {wait, prioritized, delayed, meta}
  function mesh.mayTake(pool, now)
    return args[4] == 'pull' or mayTake({keys[3], keys[4], keys[5], keys[1]}, args[4], args[1], args[2],
      {unpack(args, 5, 8)}, tasksWaiting(pool, now), args[12], now)
  end

  -- pool: {active, delayed, events}   reply: BullMQ's, {task hash as a flat list, id}
  function mesh.enterSession(pool, reply, now)
    return enterSession({pool[1], pool[2], pool[3], keys[9], keys[6], keys[7], keys[8], keys[1]}, {
      node = args[1],
      pool = args[9],
      labels = args[10],
      holdScore = args[11],
      sessionPrefix = args[13],
      heldPrefix = args[14],
      taskPrefix = args[15],
      presencePrefix = args[16],
    }, reply[2], reply[1], now)
  end

  return mesh
end
