#!lua flags=allow-oom
-- Forgets old finished jobs beyond a number to keep. Documents stay. Answers how many went.
-- ARGV: jobs to keep, least age in us, most to forget at a time.
local done = key('jobs', 'done')
local surplus = redis.call('ZCARD', done) - tonumber(ARGV[1])
if surplus <= 0 then return 0 end
local old = redis.call('ZRANGEBYSCORE', done, '-inf', int(now - ARGV[2]), 'LIMIT', 0, math.min(surplus, tonumber(ARGV[3])))
for _, job in ipairs(old) do
  local cid = redis.call('HGET', key('j', job), 'collection')
  if cid then redis.call('ZREM', key('jobs', cid), job) end
  redis.call('DEL', key('j', job), key('jd', job), 'nf:om:job:' .. job)
  redis.call('ZREM', done, job)
end
return #old
