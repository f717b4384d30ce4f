-- Takes a document out that the index does not show any more. ARGV: document, prefix of heads. Safe to repeat.
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if entry and redis.call('HGET', ARGV[2] .. '{' .. hex(ARGV[1]) .. '}', 'live') ~= '1' then remove(ARGV[1], entry) end
return 1
