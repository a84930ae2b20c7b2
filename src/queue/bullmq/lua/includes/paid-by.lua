-- What pays for another run after a run that ended through no fault of its task. The first such run is free; each
-- later one uses up an attempt, as long as a further one is left. So a task never starts more often than its attempts
-- and handovers, plus one.
-- Returns the field of the task's hash that the caller must increment after it has recorded the run; nil if nothing
-- can pay.
local function paidBy(taskKey, maxAttempts)
  local fields = redis.call('HMGET', taskKey, 'cm:holds', 'atm')
  if (tonumber(fields[1] or '0') or 0) == 0 then return 'cm:holds' end
  return (tonumber(fields[2] or '0') or 0) + 1 < maxAttempts and 'atm' or nil
end
