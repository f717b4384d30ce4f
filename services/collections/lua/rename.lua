-- Gives a collection another name and description. Safe to repeat: a rename that already happened answers ok.
-- KEYS: names hash, record hash. ARGV: old name, new name, collection id, description.
local owner = redis.call('HGET', KEYS[1], ARGV[2])
if ARGV[1] ~= ARGV[2] and owner and owner ~= ARGV[3] then
  return 'taken'
end
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[3] and owner ~= ARGV[3] then
  return 'unknown'
end
if ARGV[1] ~= ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
  if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[3] then
    redis.call('HDEL', KEYS[1], ARGV[1])
  end
end
redis.call('HSET', KEYS[2], 'name', ARGV[2], 'description', ARGV[4])
return 'ok'
