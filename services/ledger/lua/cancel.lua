#!lua flags=allow-oom
-- Cancels what a job has not done yet, in slices. A document in hand is left to its worker for the second it needs and
-- is cancelled only if that attempt fails, so that the index never shows what the ledger calls cancelled.
-- A source stops at once, and nothing may join the job any more.
-- Answers the offset of the next slice, or -1 after the last. ARGV: job id, offset, most documents.
local job, offset, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local cid = redis.call('HGET', key('j', job), 'collection')
if not cid then return -1 end
redis.call('HSETNX', key('j', job), 'stopped', int(now))
local slice = redis.call('ZRANGE', key('jd', job), offset, offset + most - 1)
for _, dh in ipairs(slice) do
  local rec = read(cid, dh)
  if rec and rec.jc == job and open(rec) then
    if rec.state == 'pending' or rec.kind == 'source' then
      give_up(rec, 'cancelled', 'cancelled', 'Cancelled on request.')
    else
      set(rec, {cx = 1})
    end
  end
end
return #slice == most and offset + most or -1
