#!lua flags=allow-oom
-- Forgets a document as if it had never been written: head, visible chunks, staged and left-over ones, in one step.
-- KEYS[1] head of the document   KEYS[2] counters of the index   ARGV[1] prefix of its chunk keys
-- Answers how many chunk keys went, or -1 when there is no head.
local found = redis.call('HMGET', KEYS[1], 'gen', 'n', 'live', 'sgen', 'shigh', 'trash')
if not found[1] and not found[4] then return -1 end
local gone = 0

local function drop(generation, from, past)
  for ordinal = from, past - 1 do
    gone = gone + redis.call('DEL', ARGV[1] .. generation .. ':' .. string.format('%.0f', ordinal))
  end
end

local chunks = tonumber(found[2] or 0)
if found[1] then drop(found[1], 0, chunks) end
if found[4] then drop(found[4], 0, tonumber(found[5] or 0)) end
for generation, from, past in string.gmatch(found[6] or '', '(%d+):(%d+):(%d+)') do
  drop(generation, tonumber(from), tonumber(past))
end
redis.call('HINCRBY', KEYS[2], 'documents', -tonumber(found[3] or 0))
redis.call('HINCRBY', KEYS[2], 'chunks', -chunks)
redis.call('DEL', KEYS[1])
return gone
