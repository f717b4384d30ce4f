#!lua flags=allow-oom
-- Prolongs a lease; answers 0 when it is lost. A document past its deadline is taken out of it and fails.
-- ARGV: token, lease in us, deadline in us.
local k = key('t', ARGV[1])
local cid = redis.call('HGET', k, 'collection')
if not cid then return 0 end
for _, dh in ipairs(held_under(ARGV[1])) do
  local rec = read(cid, dh)
  if rec and begun(rec) and tonumber(rec.spent or 0) + now - tonumber(rec.beg) > tonumber(ARGV[3]) then
    give_up(rec, 'failed', 'too-slow', 'The time that one document may take was used up.')
  end
end
if redis.call('EXISTS', k) == 0 then return 0 end
redis.call('HSET', k, 'lease', ARGV[2])
redis.call('ZADD', key('leases'), int(now + ARGV[2]), ARGV[1])
return 1
