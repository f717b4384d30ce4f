-- Compares neighbours with the heads of their documents and reads the wanted slice of those that are visible, in one
-- step, so that an answer never mixes two states of a document.
-- KEYS[1] counters of the index   KEYS[2] rebuild mark of the collection
-- ARGV[1] prefix of heads   ARGV[2] prefix of chunks   ARGV[3] offset   ARGV[4] limit
-- ARGV[5] head fields   ARGV[6] chunk fields   then their names, then document hash, generation, ordinal per neighbour
local offset, limit = tonumber(ARGV[3]), tonumber(ARGV[4])
local head_names, chunk_names = {}, {}
local at = 7
for i = 1, tonumber(ARGV[5]) do
  head_names[i] = ARGV[at]
  at = at + 1
end
for i = 1, tonumber(ARGV[6]) do
  chunk_names[i] = ARGV[at]
  at = at + 1
end

local found, moved = {}, {}
local valid, walked = 0, 0
local first_chunk
while at <= #ARGV and valid <= offset + limit do
  local hash, generation, ordinal = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  at = at + 3
  walked = walked + 1
  local head_key = ARGV[1] .. '{' .. hash .. '}'
  local chunk_key = ARGV[2] .. '{' .. hash .. '}:' .. generation .. ':' .. ordinal
  first_chunk = first_chunk or chunk_key
  local head = redis.call('HMGET', head_key, 'gen', 'live')
  if head[2] == '1' and head[1] == generation and redis.call('EXISTS', chunk_key) == 1 then
    if valid >= offset and valid < offset + limit then
      found[#found + 1] = walked - 1
      found[#found + 1] = redis.call('HMGET', head_key, unpack(head_names))
      found[#found + 1] = redis.call('HMGET', chunk_key, unpack(chunk_names))
    end
    valid = valid + 1
  elseif head[2] == '1' and tonumber(head[1]) > tonumber(generation) then
    moved[#moved + 1] = hash
    moved[#moved + 1] = head[1]
  end
end
local documents = redis.call('HGET', KEYS[1], 'documents')
-- Neighbours without counters were staged and never shown, or the server was emptied since they were found.
local emptied = 0
if not documents and first_chunk and redis.call('EXISTS', first_chunk) == 0 then emptied = 1 end
return {documents, redis.call('GET', KEYS[2]), valid, walked, moved, found, emptied}
