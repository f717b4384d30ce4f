#!lua flags=allow-oom
-- Drops a generation that was staged and never made visible, if it is still the one that was seen.
-- KEYS[1] head of the document   ARGV[1] prefix of its chunk keys   ARGV[2] staged generation   ARGV[3] its attempt
-- Answers how many chunk keys went, or -1 when something else is staged now.
local found = redis.call('HMGET', KEYS[1], 'sgen', 'satt', 'shigh', 'gen', 'n')
if found[1] ~= ARGV[2] or found[2] ~= ARGV[3] then return -1 end
local gone, first = 0, 0
if found[4] == found[1] then first = tonumber(found[5] or 0) end -- what is visible of the same generation stays
for ordinal = first, tonumber(found[3] or 0) - 1 do
  gone = gone + redis.call('DEL', ARGV[1] .. ARGV[2] .. ':' .. string.format('%.0f', ordinal))
end
redis.call('HDEL', KEYS[1], 'sgen', 'satt', 'sdone', 'shigh')
if not found[4] then redis.call('DEL', KEYS[1]) end
return gone
