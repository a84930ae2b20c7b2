--[[
  Runs behind BullMQ's moveToActive and moveToFinished, in the same step: a task that was just claimed, and whose session is
  busy or at home elsewhere, is held.

  KEYS[2] active   KEYS[4] events   KEYS[7] delayed   reply: what BullMQ answers: a code, or {task hash as a flat list or 0, id, ...}
  mesh, now: see the preludes
]]
if type(reply) == 'table' and type(reply[1]) == 'table' and not mesh.enterSession({KEYS[2], KEYS[7], KEYS[4]}, reply, now) then
  return {'again'}
end
return reply
