-- Maximum number of lines in a task's history. A task that is drained or retried again and again keeps the first
-- entries, the last ones, and one line between them with the number of cut entries.
local HISTORY_LINES, HISTORY_FIRST, HISTORY_LAST = 100, 10, 80
-- Maximum length of a reason, bytes: an error message may quote a whole page.
local HISTORY_REASON = 2000

-- The first bytes of a text, without a part of a character at the end. In UTF-8, all bytes of a character but the first
-- are from 128 to 191.
local function firstBytes(text, most)
  local byte = string.byte(text, most + 1)
  while byte and byte >= 128 and byte <= 191 do
    most = most - 1
    byte = string.byte(text, most + 1)
  end
  return string.sub(text, 1, most)
end

-- Appends these entries to the task's history (JSON lines in field `cm:history`).
local function addHistory(history, entries)
  for _, entry in ipairs(entries) do
    if entry.reason and #entry.reason > HISTORY_REASON then
      entry.reason = firstBytes(entry.reason, HISTORY_REASON)
    end
    history = history .. cjson.encode(entry) .. '\n'
  end
  local lines = {}
  for line in string.gmatch(history, '[^\n]+') do
    lines[#lines + 1] = line
  end
  if #lines <= HISTORY_LINES then
    return history
  end
  local cut, at, kept = 0, nil, {}
  for i, line in ipairs(lines) do
    if i <= HISTORY_FIRST or i > #lines - HISTORY_LAST then
      kept[#kept + 1] = line
    else
      local before = tonumber(string.match(line, '"event":"cut"') and string.match(line, '"count":(%d+)'))
      cut = cut + (before or 1)
      at = at or string.match(line, '"at":(%d+)')
      if i == #lines - HISTORY_LAST then
        kept[#kept + 1] = string.format('{"at":%s,"event":"cut","attempt":0,"count":%d}', at or '0', cut)
      end
    end
  end
  return table.concat(kept, '\n') .. '\n'
end
