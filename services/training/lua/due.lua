-- Trainings that wait or whose worker has gone silent, oldest first. KEYS: active names. ARGV: prefix of records.
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local found = {}
for _, id in ipairs(redis.call('HVALS', KEYS[1])) do
  local row = redis.call('HMGET', ARGV[1] .. id, 'state', 'lease', 'created')
  if row[1] == 'pending' or (row[1] == 'running' and tonumber(row[2] or '0') <= now) then
    found[#found + 1] = { tonumber(row[3]), id }
  end
end
table.sort(found, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
local ids = {}
for i, row in ipairs(found) do
  ids[i] = row[2]
end
return ids
