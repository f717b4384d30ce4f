#!lua
-- Takes up again what a job left when it was cancelled, in slices and in the same job; a source goes on where it stopped.
-- What failed meanwhile or was accepted anew elsewhere is left alone.
-- Answers the offset of the next slice, or -1 after the last. ARGV: job id, offset, most documents.
local job, offset, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local cid = redis.call('HGET', key('j', job), 'collection')
if not cid or redis.call('SISMEMBER', key('dropped'), cid) == 1 then return -1 end
redis.call('HDEL', key('j', job), 'stopped')
local slice = redis.call('ZRANGE', key('jd', job), offset, offset + most - 1)
for _, dh in ipairs(slice) do
  local rec = read(cid, dh)
  if rec and rec.jc == job then
    if rec.state == 'cancelled' then
      dequeue(rec)
      unlease(rec)
      set(rec, {att = '', ratt = '', spent = '', code = '', error = '', cx = '', queued = '', lane = 'bulk'})
      move(rec, 'pending')
      enqueue(rec, now)
    elseif rec.cx then
      set(rec, {cx = ''}) -- still in hand: the cancellation had not reached it
    end
  end
end
return #slice == most and offset + most or -1
