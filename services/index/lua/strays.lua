#!lua flags=allow-oom
-- Which of these chunks belong to nothing: not to what is visible of their document, not to what is staged, not to what
-- is still to be swept. Removes them when asked to.
-- KEYS[1] head of the document   ARGV[1] prefix of its chunk keys   ARGV[2] '1' to remove
-- then generation and ordinal of each chunk. Answers how many there are.
local found = redis.call('HMGET', KEYS[1], 'gen', 'n', 'live', 'sgen', 'shigh', 'trash')
local strays = 0

local function belongs(generation, ordinal)
  if found[3] == '1' and found[1] == generation and ordinal < tonumber(found[2] or 0) then return true end
  if found[4] == generation and ordinal < tonumber(found[5] or 0) then return true end
  for gen, from, past in string.gmatch(found[6] or '', '(%d+):(%d+):(%d+)') do
    if gen == generation and ordinal >= tonumber(from) and ordinal < tonumber(past) then return true end
  end
  return false
end

for at = 3, #ARGV, 2 do
  local key = ARGV[1] .. ARGV[at] .. ':' .. ARGV[at + 1]
  if not belongs(ARGV[at], tonumber(ARGV[at + 1])) and redis.call('EXISTS', key) == 1 then
    strays = strays + 1
    if ARGV[2] == '1' then redis.call('DEL', key) end
  end
end
return strays
