-- Takes a training in and claims the model's name. KEYS: record, ids, active names. ARGV: id, name, wish.
-- Answers the id of the training that holds the name: ours, or another one.
local holder = redis.call('HGET', KEYS[3], ARGV[2])
if holder then
  return holder
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], 'wish', ARGV[3], 'name', ARGV[2], 'state', 'pending', 'attempts', 0, 'created', now)
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[1])
return ARGV[1]
