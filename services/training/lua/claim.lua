-- Takes a training in hand if it waits, or if whoever had it has gone silent.
-- KEYS: record, active names. ARGV: token, lease ms, most attempts. Answers 1 when it is ours.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'pending' and state ~= 'running' then
  return 0
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if state == 'running' and tonumber(redis.call('HGET', KEYS[1], 'lease') or '0') > now then
  return 0
end
local function ended(as, code, reason)
  redis.call('HSET', KEYS[1], 'state', as, 'code', code, 'reason', reason, 'finished', now)
  redis.call('HDEL', KEYS[1], 'token', 'lease')
  redis.call('HDEL', KEYS[2], redis.call('HGET', KEYS[1], 'name'))
  return 0
end
if redis.call('HEXISTS', KEYS[1], 'cancel') == 1 then
  return ended('cancelled', '', '')
end
if tonumber(redis.call('HGET', KEYS[1], 'attempts')) >= tonumber(ARGV[3]) then
  return ended('failed', 'worker-lost', 'the worker ended ' .. ARGV[3] .. ' times in the middle of it: too little memory is '
    .. 'the usual reason; train on a smaller collection or with smaller settings')
end
redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSETNX', KEYS[1], 'started', now)
redis.call('HDEL', KEYS[1], 'progress')
redis.call('HSET', KEYS[1], 'state', 'running', 'token', ARGV[1], 'lease', now + ARGV[2])
return 1
