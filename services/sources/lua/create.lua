-- Claims a source's name and makes its record, or neither. KEYS: names, record, all, revision. ARGV: name, id, source, status.
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  return 0
end
redis.call('HSET', KEYS[2], 'source', ARGV[3], 'status', ARGV[4])
redis.call('SADD', KEYS[3], ARGV[2])
redis.call('INCR', KEYS[4])
return 1
