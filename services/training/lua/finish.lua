-- Ends an attempt. KEYS: record, active names. ARGV: token, state, code, reason, most attempts.
-- State 'again': it waits once more, or fails when it has been tried often enough; 'back': it waits, the attempt does not
-- count. Answers the state that it has now; nothing when it is not ours.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return false
end
local state = ARGV[2]
if state == 'back' then
  redis.call('HINCRBY', KEYS[1], 'attempts', -1)
  state = 'pending'
elseif state == 'again' then
  local tried = tonumber(redis.call('HGET', KEYS[1], 'attempts')) >= tonumber(ARGV[5])
  state = tried and 'failed' or 'pending'
end
if redis.call('HEXISTS', KEYS[1], 'cancel') == 1 and state == 'pending' then
  state = 'cancelled'
end
redis.call('HDEL', KEYS[1], 'token', 'lease')
redis.call('HSET', KEYS[1], 'state', state, 'code', ARGV[3], 'reason', ARGV[4])
if state ~= 'pending' then
  local t = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'finished', t[1] * 1000 + math.floor(t[2] / 1000))
  redis.call('HDEL', KEYS[2], redis.call('HGET', KEYS[1], 'name'))
end
return state
