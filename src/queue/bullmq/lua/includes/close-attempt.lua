--- @include add-history

-- Ends the current run in a task's hash without ending the task. Writes the run and its end into the task's history
-- (JSON lines in field `cm:history`), and removes start and owner from the hash.
-- The newest run needs no entry: BullMQ's own fields (processedOn, pb, finishedOn) describe it.
-- `silentMs`: how long the lost node had given no sign of life; nil for other ends.
-- Returns the node that ran the task and the start time (ms), both nil if the task had not been claimed.
local function closeAttempt(taskKey, event, reason, now, silentMs)
  local fields = redis.call('HMGET', taskKey, 'processedOn', 'pb', 'atm', 'cm:history')
  local startedAt, node = tonumber(fields[1] or nil), fields[2] or nil
  local attempt = (tonumber(fields[3] or '0') or 0) + 1
  local entries = {{at = now, event = event, node = node, attempt = attempt, reason = reason, silentMs = silentMs}}
  if startedAt then
    table.insert(entries, 1, {at = startedAt, event = 'claimed', node = node, attempt = attempt})
  end
  redis.call('HSET', taskKey, 'cm:history', addHistory(fields[4] or '', entries))
  redis.call('HDEL', taskKey, 'processedOn', 'pb', 'progress')
  return node, startedAt
end
