-- A document's head and all chunks of its visible generation, in one step.
-- KEYS[1] head of the document   ARGV[1] prefix of its chunk keys   ARGV[2] head fields   then their names,
-- then the fields to read of each chunk
local head_names, chunk_names = {}, {}
for i = 3, #ARGV do
  local names = i < 3 + tonumber(ARGV[2]) and head_names or chunk_names
  names[#names + 1] = ARGV[i]
end
local rows = {}
local visible = redis.call('HMGET', KEYS[1], 'gen', 'n', 'live')
if visible[3] == '1' then
  for ordinal = 0, tonumber(visible[2]) - 1 do
    local key = ARGV[1] .. visible[1] .. ':' .. string.format('%.0f', ordinal)
    rows[ordinal + 1] = redis.call('HMGET', key, unpack(chunk_names))
  end
end
return {redis.call('HMGET', KEYS[1], unpack(head_names)), rows}
