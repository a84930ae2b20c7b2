--[[
  Runs behind BullMQ's moveToActive and moveToFinished, in the same step: the lock token of a task that was just claimed is
  noted as used, and a task whose session is busy or at home elsewhere is held. One that has a session and no field that names
  it has been queued by another program; the node notices, see admit-claim.lua.

  KEYS[2] active   KEYS[4] events   KEYS[7] delayed   base, mesh, bullOptions, node, names, allNames, incarnations, now: see the
  preludes
  reply: what BullMQ answers: a code, or {task hash as a flat list or 0, id, ...}
]]
local fields = type(reply) == 'table' and reply[1]
if type(fields) == 'table' then
  redis.call('HSET', mesh .. '/tokens', string.sub(base, #mesh + 2) .. node, bullOptions.token)
  for i = 1, #fields, 2 do
    if fields[i] == 'cm:session' then
--- @include enter-session
      local mayRun, movedFrom = enterSession({KEYS[2], KEYS[7], KEYS[4], incarnations}, allNames(names), node, reply[2],
        fields[i + 1], now)
      if not mayRun then
        return {'again'}
      end
      if movedFrom then
        fields[#fields + 1], fields[#fields + 2] = 'cm:movedFrom', movedFrom
      end
      break
    end
  end
end
return reply
