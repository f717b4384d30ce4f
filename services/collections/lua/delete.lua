-- Frees a collection's name and remembers its id for clearing. Safe to repeat.
-- KEYS: names hash, set of gone ids. ARGV: name, collection id.
if redis.call('SISMEMBER', KEYS[2], ARGV[2]) == 1 then
  return 'ok'
end
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 'unknown'
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SADD', KEYS[2], ARGV[2])
return 'ok'
