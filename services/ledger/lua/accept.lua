#!lua
-- Accepts the documents of one envelope, all or none, and makes or joins their job. Repeated, it gives the same answer.
-- Answers {status, answer, bell}: 'ok' (bell 1: ring), 'replay', 'mismatch' (the request id came with other content),
-- 'retry' (a newer generation, or an envelope that is not there: write another), 'gone' (collection deleted), 'no-job',
-- 'stopped' (job cancelled).
-- ARGV: 1 collection id, 2 generation, 3 envelope or '', 4 job id, 5 mode (new, join, children), 6 key of the remembered
-- answer, 7 hash of the request, 8 seconds to remember it, 9 label, 10 lane of a small job or '', 11 most documents of a
-- small job, 12 newest generation that may be overtaken (0: any), then per document 11: hash, id, kind, place in the envelope or '' (would change nothing), bytes, media
-- type, title, url, source, full hash, parent.
local cid, gen, envelope, job, mode = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local memo, request = key('q', ARGV[6]), ARGV[7]
local FIRST, STEP = 13, 11
local total = (#ARGV - FIRST + 1) / STEP

local function refusal()
  local answered = redis.call('GET', memo)
  if answered then
    local memory = cjson.decode(answered)
    if memory.request ~= request then return {'mismatch', answered, 0} end
    -- the very same call again: its reply was lost, and this envelope is the one that counts
    return {memory.envelope == envelope and 'ok' or 'replay', answered, 1}
  end
  -- the second set is the collections' own: a deleted one takes nothing more, before its clearing has begun
  if redis.call('SISMEMBER', key('dropped'), cid) == 1 or redis.call('SISMEMBER', 'nf:gone', cid) == 1 then
    return {'gone', '', 0}
  end
  if envelope ~= '' and redis.call('EXISTS', key('condemned', envelope)) == 1 then return {'retry', '', 0} end
  if mode == 'new' then return nil end
  if redis.call('HEXISTS', key('j', job), 'total') == 0 then return {'no-job', '', 0} end
  if mode == 'join' and redis.call('HEXISTS', key('j', job), 'stopped') == 1 then return {'stopped', '', 0} end
end

local function document(n)
  local a = FIRST + (n - 1) * STEP
  return {dh = ARGV[a], id = ARGV[a + 1], kind = ARGV[a + 2], place = ARGV[a + 3], bytes = ARGV[a + 4],
    media = ARGV[a + 5], title = ARGV[a + 6], url = ARGV[a + 7], source = ARGV[a + 8], full = ARGV[a + 9],
    parent = ARGV[a + 10]}
end

-- Rows of a source are taken only while the source's own generation is the wanted one: a worker that was overtaken
-- by a newer upload or a delete must not bring old rows back.
local function source_stands(parent)
  local found = redis.call('HMGET', key('d', cid, parent), 'gen', 'state')
  return found[1] == gen and (found[2] == 'pending' or found[2] == 'processing' or found[2] == 'ready')
end

-- 'accepted', 'unchanged', 'stale', 'seen' (a row that an earlier slice has handled) or 'retry'.
local function verdict(doc, rec)
  if mode == 'children' then
    if rec and tonumber(rec.gen) > tonumber(gen) then return 'stale' end
    local seen = tonumber(redis.call('ZSCORE', key('kids', cid, doc.parent), doc.dh) or 0)
    if seen == tonumber(gen) or (rec and rec.gen == gen) then return 'seen' end
  elseif rec and tonumber(ARGV[12]) > 0 and tonumber(rec.gen) > tonumber(ARGV[12]) then
    return 'stale'
  elseif rec and tonumber(rec.gen) >= tonumber(gen) then
    return 'retry'
  end
  if unchanged(rec, doc.kind, doc.full) then return 'unchanged' end
  return doc.place == '' and 'retry' or 'accepted'
end

local function adopt(doc)
  if doc.parent == '' then return end
  redis.call(doc.kind == 'delete' and 'ZREM' or 'ZADD', key('kids', cid, doc.parent),
    unpack(doc.kind == 'delete' and {doc.dh} or {gen, doc.dh}))
end

-- Ends what was wanted of the document until now; what is visible of it stays.
local function supersede(rec)
  if open(rec) then count(rec, rec.state, 'superseded') end
  dequeue(rec)
  unlease(rec)
  unlist(rec)
  refer(rec.env, -1)
end

local function put(doc, rec, lane, order, seq, entry)
  local fresh = not rec or rec.state == 'deleted'
  local changes = {id = doc.id, kind = doc.kind, state = 'pending', gen = gen, env = doc.place, bytes = doc.bytes,
    full = doc.full, job = job, jc = job, lane = lane, accepted = now, updated = now,
    att = '', spent = '', cursor = '', code = '', error = '', warn = '', cx = '', queued = '', times = ''}
  if doc.kind ~= 'delete' then
    changes.media, changes.url, changes.source, changes.kids = doc.media, doc.url, doc.source, ''
    -- what a file is called is known when it has been read; until then its old title stands
    if doc.title ~= '' or not rec or doc.kind ~= 'file' then changes.title = doc.title end
  end
  changes.parent = doc.kind ~= 'delete' and doc.parent or ''
  if fresh then changes.seq = seq + order end
  if rec then
    supersede(rec)
    if rec.parent and rec.parent ~= doc.parent then
      unsettle_parent(rec)
      redis.call('ZREM', key('kids', cid, rec.parent), doc.dh)
    end
  end
  rec = rec or {_cid = cid, _dh = doc.dh}
  set(rec, changes)
  if doc.kind == 'source' then redis.call('HINCRBY', key('j', job), 'sources', 1) end
  adopt(doc)
  list(rec)
  redis.call('ZADD', key('due', cid, lane), int(now - total + order), doc.dh)
  redis.call('ZADD', key('jd', job), int(entry + order), doc.dh)
end

local refused = refusal()
if refused then return refused end
local stands = mode ~= 'children' or source_stands(document(1).parent)
local docs, recs, verdicts, tally = {}, {}, {}, {accepted = 0, unchanged = 0, stale = 0, seen = 0}
for n = 1, total do
  docs[n] = document(n)
  recs[n] = read(cid, docs[n].dh)
  verdicts[n] = stands and verdict(docs[n], recs[n]) or 'stale'
  if verdicts[n] == 'retry' then return {'retry', '', 0} end
  tally[verdicts[n]] = tally[verdicts[n]] + 1
end

if mode == 'new' then
  local number = redis.call('INCR', key('jobs', 'number'))
  redis.call('HSET', key('j', job), 'collection', cid, 'number', number, 'created', int(now), 'total', 0)
  redis.call('HSET', 'nf:om:job:' .. job, 'pk', job, 'collection_id', cid, 'label', ARGV[9], 'number', number,
    'created_at', math.floor(now / 1000))
  redis.call('ZADD', key('jobs', cid), number, job)
end
redis.call('SADD', key('collections'), cid)
redis.call('HINCRBY', key('j', job), 'total', tally.accepted + tally.unchanged)
redis.call('HINCRBY', key('j', job), 'pending', tally.accepted)
redis.call('HINCRBY', key('j', job), 'unchanged', tally.unchanged)
local small = tonumber(redis.call('HGET', key('j', job), 'total')) <= tonumber(ARGV[11])
local lane = small and ARGV[10] ~= '' and ARGV[10] or 'bulk'
local seq = redis.call('HINCRBY', key('c', cid), 'seq', total) - total -- a number for each, used or not
local entry = redis.call('HINCRBY', key('j', job), 'entries', total) - total
if tally.accepted > 0 then refer(envelope, tally.accepted) end
local answer = {request = request, envelope = envelope, job = job, documents = {}}
for n = 1, total do
  local outcome = verdicts[n]
  if outcome == 'accepted' then put(docs[n], recs[n], lane, n, seq, entry) end
  if outcome == 'unchanged' then adopt(docs[n]) end
  answer.documents[n] = {docs[n].id, outcome == 'seen' and 'unchanged' or outcome,
    outcome == 'accepted' and gen or (recs[n] and recs[n].gen or '0')}
end
close_job(job)
local text = cjson.encode(answer)
redis.call('SET', memo, text, 'EX', ARGV[8])
local bell = 0
if tally.accepted > 0 and redis.call('HSETNX', key('c', cid), 'bell', int(now)) == 1 then bell = 1 end
return {'ok', text, bell}
