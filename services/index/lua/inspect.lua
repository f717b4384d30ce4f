-- A document as it lies here: its head's own fields, and how many of its visible chunks are there and of the right size.
-- KEYS[1] head of the document   ARGV[1] prefix of its chunk keys   ARGV[2] bytes of a vector   ARGV[3] most chunks
local found = redis.call('HMGET', KEYS[1], 'gen', 'att', 'n', 'live', 'seq', 'sgen', 'satt', 'trash')
local there, sound = 0, 0
if found[4] == '1' then
  for ordinal = 0, math.min(tonumber(found[3] or 0), tonumber(ARGV[3])) - 1 do
    local size = redis.call('HSTRLEN', ARGV[1] .. found[1] .. ':' .. string.format('%.0f', ordinal), 'v')
    if size > 0 then there = there + 1 end
    if size == tonumber(ARGV[2]) then sound = sound + 1 end
  end
end
return {found[1], found[2], found[3], found[4], found[5], found[6], found[7], found[8], there, sound}
