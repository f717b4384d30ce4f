#!lua flags=allow-oom
-- The index no longer shows these documents as the ledger says it does: they are queued to be made again, from their
-- envelopes. What changed since the ledger was looked at is passed over. Answers how many were queued.
-- ARGV: collection id, then per document: hash, wanted generation and visible generation (0: none) as they were seen.
local cid, queued = ARGV[1], 0

local function lose(rec)
  if rec.vis then
    hide(rec)
    redis.call('SADD', key('lost', cid), rec._dh)
  end
  if rec.state == 'ready' or rec.state == 'deleted' then -- its job has ended and keeps its figures
    refer(rec.venv, -1)
    set(rec, {jc = '', att = '', vis = '', venv = '', vkind = '', vbytes = '', lane = 'bulk'})
    move(rec, 'pending')
    enqueue(rec, now)
  else
    set(rec, {lost = 1, ratt = ''})
    if restoring(rec) then enqueue(rec, now) end -- an update still on its way comes first
  end
end

for i = 2, #ARGV, 3 do
  local rec = read(cid, ARGV[i])
  if rec and rec.vkind ~= 'source' and not rec.lost and rec.gen == ARGV[i + 1] and (rec.vis or '0') == ARGV[i + 2]
    and (rec.vis or rec.state == 'deleted') then
    lose(rec)
    queued = queued + 1
  end
end
if queued > 0 then redis.call('HDEL', key('c', cid), 'bell', 'claimed') end
return queued
