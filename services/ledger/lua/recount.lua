#!lua flags=allow-oom
-- Puts a figure right that was added up meanwhile, unless it has changed since. Answers 1 when it did.
-- ARGV: 'chunks', collection id, value that was seen, right value; or 'env', name of an envelope, the same two.
local k, field = key('env'), ARGV[2]
if ARGV[1] == 'chunks' then k, field = key('c', ARGV[2]), 'chunks' end
if (redis.call('HGET', k, field) or '0') ~= ARGV[3] then return 0 end
if ARGV[1] == 'env' and ARGV[4] == '0' then
  redis.call('HDEL', k, field)
else
  redis.call('HSET', k, field, ARGV[4])
end
return 1
