#!lua flags=allow-oom
-- The collections whose bell has to be rung: work is due, nobody has claimed and nobody has rung for a while.
-- A pause that reaches unduly far was set before the clock jumped back: it ends now.
-- ARGV: patience in us, longest pause in us, then collection ids.
local ring = {}
for i = 3, #ARGV do
  local cid, due = ARGV[i], 0
  for _, lane in ipairs(LANES) do
    local k = key('due', cid, lane)
    for _, dh in ipairs(redis.call('ZRANGEBYSCORE', k, int(now + ARGV[2]), '+inf', 'LIMIT', 0, 100)) do
      redis.call('ZADD', k, int(now), dh)
    end
    due = due + redis.call('ZCOUNT', k, '-inf', int(now))
  end
  local last = redis.call('HMGET', key('c', cid), 'bell', 'claimed')
  local quiet = true
  for n = 1, 2 do
    local age = now - tonumber(last[n] or 0)
    if age >= 0 and age < tonumber(ARGV[1]) then quiet = false end
  end
  if due > 0 and quiet then
    redis.call('HSET', key('c', cid), 'bell', int(now))
    ring[#ring + 1] = cid
  end
end
return ring
