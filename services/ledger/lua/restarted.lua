#!lua flags=allow-oom
-- The ledger's server was restarted: leases ran out while nobody could renew them. Each gets its full length once more,
-- so that a crash of Redis costs no document an attempt. Answers 1 the first time for each run id.
-- ARGV: run id.
if redis.call('HGET', key('keeper'), 'ledger_run') == ARGV[1] then return 0 end
for _, token in ipairs(redis.call('ZRANGE', key('leases'), 0, -1)) do
  local lease = tonumber(redis.call('HGET', key('t', token), 'lease') or 0)
  redis.call('ZADD', key('leases'), int(now + lease), token)
end
redis.call('HSET', key('keeper'), 'ledger_run', ARGV[1])
return 1
