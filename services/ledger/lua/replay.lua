#!lua
-- Brings the documents of one envelope back into a ledger that is made again; the newest generation of each is wanted.
-- Nothing is listed, counted or queued here: that is settle.lua's, when all envelopes are in. The newest earlier
-- generation is noted in p-fields, so that what the index still shows, or showed, can be told. Safe to repeat.
-- Answers how many documents it put. ARGV: collection id, job, label, time of the request in us, then per document 12:
-- hash, id, kind, place, bytes, media type, title, url, source, full hash, parent, generation.
local cid, job = ARGV[1], ARGV[2]
local STEP, FIRST, put = 12, 5, 0
local waiting = key('restoring', 'docs', cid)

local function earlier(rec, gen, place, kind, bytes)
  if tonumber(rec.pgen or 0) < tonumber(gen) then
    set(rec, {pgen = gen, penv = place, pkind = kind, pbytes = bytes})
  end
end

local function bring(a)
  local dh, kind, place, bytes, gen = ARGV[a], ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], ARGV[a + 11]
  local rec = read(cid, dh)
  if rec and not redis.call('ZSCORE', waiting, dh) then return end -- settled in an earlier run
  if rec and tonumber(rec.gen) == tonumber(gen) then return end
  if rec and tonumber(rec.gen) > tonumber(gen) then return earlier(rec, gen, place, kind, bytes) end
  if rec then
    earlier(rec, rec.gen, rec.env, rec.kind, rec.bytes)
  else
    rec = {_cid = cid, _dh = dh}
    set(rec, {seq = redis.call('HINCRBY', key('c', cid), 'seq', 1)})
    redis.call('ZADD', waiting, rec.seq, dh)
  end
  set(rec, {id = ARGV[a + 1], kind = kind, state = 'pending', gen = gen, env = place, bytes = bytes,
    media = ARGV[a + 5], title = ARGV[a + 6], url = ARGV[a + 7], source = ARGV[a + 8], full = ARGV[a + 9],
    parent = kind ~= 'delete' and ARGV[a + 10] or '', job = job, lane = 'bulk', accepted = ARGV[4], updated = now})
  put = put + 1
end

for a = FIRST, #ARGV, STEP do bring(a) end
if put > 0 then
  redis.call('SADD', key('restoring', 'jobs'), job)
  redis.call('HSET', 'nf:om:job:' .. job, 'pk', job, 'collection_id', cid, 'label', ARGV[3],
    'created_at', math.floor(tonumber(ARGV[4]) / 1000))
end
return put
