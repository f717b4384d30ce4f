#!lua flags=allow-oom
-- Puts an index's own counters right, unless a document was written since they were added up.
-- KEYS[1] counters of the index   ARGV[1] finish sequence that was seen ('' for none)   ARGV[2] documents   ARGV[3] chunks
if (redis.call('HGET', KEYS[1], 'sequence') or '') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'documents', ARGV[2], 'chunks', ARGV[3])
return 1
