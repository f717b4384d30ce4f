-- Keeps a training in hand and tells how far it is. KEYS: record. ARGV: token, lease ms, progress.
-- Answers 1, 0 when it is no longer ours, 2 when it is to be cancelled.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
local t = redis.call('TIME')
redis.call('HSET', KEYS[1], 'lease', t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2], 'progress', ARGV[3])
return redis.call('HEXISTS', KEYS[1], 'cancel') == 1 and 2 or 1
