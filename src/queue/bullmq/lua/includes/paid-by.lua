-- What pays for a run that ended through no fault of its task and is to be followed by another: the first such run of a task
-- is free, each later one uses up an attempt, as long as there is a further one. So a task never starts more often than its
-- attempts, its handovers, and once more.
-- Returns the field of the task's hash to be counted up, behind what writes the run into its history; nil where nothing pays.
local function paidBy(taskKey, maxAttempts)
  local fields = redis.call('HMGET', taskKey, 'cm:holds', 'atm')
  if (tonumber(fields[1] or '0') or 0) == 0 then return 'cm:holds' end
  return (tonumber(fields[2] or '0') or 0) + 1 < maxAttempts and 'atm' or nil
end
