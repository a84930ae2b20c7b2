--[[
  Runs behind BullMQ's moveToActive and moveToFinished, in the same step: the lock token of a task that was just claimed is
  noted as used, and a task whose session is busy or at home elsewhere is held.

  KEYS[2] active   KEYS[4] events   KEYS[7] delayed   base, mesh, bullOptions, node, names, allNames, incarnations, now: see the
  preludes
  reply: what BullMQ answers: a code, or {task hash as a flat list or 0, id, ...}
]]
local fields = type(reply) == 'table' and reply[1]
if type(fields) == 'table' then
  redis.call('HSET', mesh .. '/tokens', string.sub(base, #mesh + 2) .. node, bullOptions.token)
  for i = 1, #fields, 2 do
    if fields[i] == 'data' then
      if string.find(fields[i + 1], '"session":"', 1, true) then
--- @include enter-session
        if not enterSession({KEYS[2], KEYS[7], KEYS[4], incarnations}, allNames(names), node, reply[2], fields, now) then
          return {'again'}
        end
      end
      break
    end
  end
end
return reply
