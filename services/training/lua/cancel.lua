-- Cancels what waits at once and has what runs ended. KEYS: record, active names. Answers the state it has now.
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'pending' then
  local t = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'state', 'cancelled', 'finished', t[1] * 1000 + math.floor(t[2] / 1000))
  redis.call('HDEL', KEYS[2], redis.call('HGET', KEYS[1], 'name'))
  return 'cancelled'
end
if state == 'running' then
  redis.call('HSET', KEYS[1], 'cancel', 1)
end
return state
