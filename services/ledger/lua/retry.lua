#!lua
-- Queues failed documents again, with their attempts restored, under a job of their own.
-- Answers how many the job holds now. ARGV: collection id, new job id, label, lane of a small job, most documents of a
-- small job, 1 for cancelled ones too, then document hashes.
local cid, job = ARGV[1], ARGV[2]
if redis.call('SISMEMBER', key('dropped'), cid) == 1 then return 0 end
local again = {}
for i = 7, #ARGV do
  local rec = read(cid, ARGV[i])
  if rec and (rec.state == 'failed' or (rec.state == 'cancelled' and ARGV[6] == '1')) then again[#again + 1] = rec end
end
local k = key('j', job)
if #again > 0 and redis.call('HEXISTS', k, 'total') == 0 then
  local number = redis.call('INCR', key('jobs', 'number'))
  redis.call('HSET', k, 'collection', cid, 'number', number, 'created', int(now), 'total', 0)
  redis.call('HSET', 'nf:om:job:' .. job, 'pk', job, 'collection_id', cid, 'label', ARGV[3], 'number', number,
    'created_at', math.floor(now / 1000))
  redis.call('ZADD', key('jobs', cid), number, job)
end
for order, rec in ipairs(again) do
  dequeue(rec)
  unlease(rec)
  redis.call('HINCRBY', k, 'total', 1)
  redis.call('HINCRBY', k, rec.state, 1)
  set(rec, {job = job, jc = job, att = '', ratt = '', spent = '', code = '', error = '', cx = '', queued = '', times = '',
    lane = #again <= tonumber(ARGV[5]) and ARGV[4] or 'bulk'})
  move(rec, 'pending')
  enqueue(rec, now - #again + order)
  redis.call('ZADD', key('jd', job), redis.call('HINCRBY', k, 'entries', 1), rec._dh)
end
return tonumber(redis.call('HGET', k, 'total') or 0)
