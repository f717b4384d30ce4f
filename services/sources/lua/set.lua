-- Sets one field of a source's record if the source is still there. KEYS: record. ARGV: field, value.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
