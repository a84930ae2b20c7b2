--- @include add-history

-- Ends the run that a task's hash shows as going on, without ending the task: writes the run and why it ended into the
-- task's own history (JSON lines in field `cm:history`) and takes its start and owner out of the hash.
-- The newest run needs no entry: BullMQ's own fields (processedOn, pb, finishedOn) tell it.
-- `silentMs`: how long a node that lost it had given no sign of life; nil for other ends.
-- Returns the node that ran it and the time it started (ms), both nil where the task had not been claimed.
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
