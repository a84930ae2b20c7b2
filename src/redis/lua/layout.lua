-- All Redis keys of a mesh. redis/keys.ts describes their contents, and a test compares the names there with these.
-- KEYS[1] of every script is the mesh's prefix, `{<prefix>:<mesh>}`: a hash tag, so that all keys are on one node of a
-- Redis Cluster.

local function meshKeys(prefix)
  return {
    prefix = prefix,
    incarnations = prefix .. '/incarnations',
    leases = prefix .. '/leases',
    nodes = prefix .. '/nodes',
    serves = prefix .. '/serves',
    deaths = prefix .. '/deaths',
    presence = prefix .. '/presence',
    absentSince = prefix .. '/absent-since',
    absent = prefix .. '/absent',
    control = prefix .. '/control',
    loads = prefix .. '/loads',
    sweep = prefix .. '/sweep',
    tokens = prefix .. '/tokens',
    pools = prefix .. '/pools',
    handovers = prefix .. '/handovers',
    events = prefix .. '/events',
    held = prefix .. '/held',
    circuits = prefix .. '/circuits',
    circuitsVersion = prefix .. '/circuits:version',
    schedules = prefix .. '/schedules',
    scheduleFailures = prefix .. '/schedules:failures',
    scheduleLast = prefix .. '/schedules:last',
    outboxes = prefix .. '/outboxes',
    channel = prefix .. '/all', -- all nodes listen to it
    -- Prefixes; the rest of the name follows: `<pool> <reason>`, `<agent>|<session>`, an idempotency key, a day,
    -- `<node>~<incarnation>`, a channel with or without an account.
    heldTasks = prefix .. '/held:',
    sessions = prefix .. '/session:',
    idempotency = prefix .. '/key:',
    usage = prefix .. '/usage:',
    presenceChannels = prefix .. '/alive:',
    outbox = prefix .. '/outbox:',
  }
end

-- The keys of one pool: BullMQ's own, and two of ours, which BullMQ's scan for orphans ignores.
local function poolKeys(prefix, name)
  local base = prefix .. ':' .. name .. ':'
  return {
    name = name,
    tasks = base, -- prefix of the task hashes; the id follows
    wait = base .. 'wait',
    prioritized = base .. 'prioritized',
    priorityCounter = base .. 'pc',
    active = base .. 'active',
    delayed = base .. 'delayed',
    waitingChildren = base .. 'waiting-children',
    completed = base .. 'completed',
    failed = base .. 'failed',
    cancelled = prefix .. '/cancelled:' .. name, -- a subset of failed
    acknowledged = prefix .. '/acknowledged:' .. name, -- a subset of failed
    meta = base .. 'meta',
    limiter = base .. 'limiter',
    marker = base .. 'marker',
    events = base .. 'events',
    schedulers = base .. 'repeat',
    jobCounter = base .. 'id',
  }
end

-- The keys of the dispatch strategies for a pool.
local function dispatchKeys(prefix, name)
  return {
    free = prefix .. '/free:' .. name,
    turns = prefix .. '/turns:' .. name,
    wakeups = prefix .. '/wakeup:' .. name .. ' ', -- the node follows
  }
end
