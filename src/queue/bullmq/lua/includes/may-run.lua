-- Whether a node with this record (from its heartbeat) may run tasks with this target; see domain/target.ts. Before
-- its first heartbeat, a node has no labels and no lists of allowed agents and models. `prefer` requires nothing.
local function recordMayRun(target, node, record)
  local function listed(list, what)
    if type(list) ~= 'table' or what == '' then return true end
    for _, one in ipairs(list) do
      if one == what then return true end
    end
    return false
  end
  for one in string.gmatch(target, '[^&]+') do
    local kind, what = string.match(one, '^(%a+):(.*)$')
    if kind == 'node' then
      if what ~= node then return false end
    elseif kind == 'require' then
      local labels = type(record.labels) == 'table' and record.labels or {}
      for pair in string.gmatch(what, '[^,]+') do
        local name, value = string.match(pair, '^([^=]*)=(.*)$')
        if not name or labels[name] ~= value then return false end
      end
    elseif kind == 'allow' then
      local agent, model = string.match(what, '^(.*)|(.*)$')
      local allow = type(record.allow) == 'table' and record.allow or {}
      if not listed(allow.agents, agent) or not listed(allow.models, model) then return false end
    elseif kind == 'format' then
      -- A record does not say which formats the node reads.
      return false
    end
  end
  return true
end
