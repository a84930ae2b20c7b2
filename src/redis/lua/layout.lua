-- Where everything of a mesh stands in Redis; what each key holds is said in redis/keys.ts, whose names a test compares
-- with
-- these. KEYS[1] of every script is the mesh's prefix, `{<prefix>:<mesh>}`: a hash tag, so that all of it is on one
-- node of a
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
    -- What these begin, the name of one ends: `<pool> <reason>`, `<agent>|<session>`, an idempotency key, a day,
    -- `<node>~<incarnation>`.
    heldTasks = prefix .. '/held:',
    sessions = prefix .. '/session:',
    idempotency = prefix .. '/key:',
    usage = prefix .. '/usage:',
    presenceChannels = prefix .. '/alive:',
  }
end

-- Of one pool: BullMQ's own keys, and two of ours outside of what BullMQ's cleaning of orphans looks at.
local function poolKeys(prefix, name)
  local base = prefix .. ':' .. name .. ':'
  return {
    name = name,
    tasks = base, -- what the hash of a task begins with; its id follows
    wait = base .. 'wait',
    prioritized = base .. 'prioritized',
    priorityCounter = base .. 'pc',
    active = base .. 'active',
    delayed = base .. 'delayed',
    waitingChildren = base .. 'waiting-children',
    completed = base .. 'completed',
    failed = base .. 'failed',
    cancelled = prefix .. '/cancelled:' .. name, -- of the failed ones
    acknowledged = prefix .. '/acknowledged:' .. name, -- of the failed ones
    meta = base .. 'meta',
    limiter = base .. 'limiter',
    marker = base .. 'marker',
    events = base .. 'events',
    schedulers = base .. 'repeat',
    jobCounter = base .. 'id',
  }
end

-- What the dispatch strategies keep of a pool.
local function dispatchKeys(prefix, name)
  return {
    free = prefix .. '/free:' .. name,
    turns = prefix .. '/turns:' .. name,
    wakeups = prefix .. '/wakeup:' .. name .. ' ', -- a node follows
  }
end
