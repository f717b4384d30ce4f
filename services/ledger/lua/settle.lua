#!lua
-- Ends the making again of documents: compared with what the index shows, each becomes ready, pending, deleted, failed
-- or cancelled, and is listed, counted and queued accordingly. Safe to repeat: a settled document is passed over.
-- Answers how many of them are {ready, pending, deleted, failed or cancelled, ahead}.
-- ARGV: collection id, 1 when the index is empty, then per document 11: hash; generation, attempt, chunks, live (0, 1),
-- sequence and title of its head ('' all: there is none); then what was noted of it: state ('' nothing), code, reason,
-- visible generation ('' not known).
local cid, wiped = ARGV[1], ARGV[2] == '1'
local STEP, FIRST = 11, 3
local waiting = key('restoring', 'docs', cid)
local tally = {ready = 0, pending = 0, deleted = 0, ended = 0, ahead = 0}
local LOST_REASON = 'A newer version of this document was accepted, but its stored original is missing or damaged. '
  .. 'Add the document again.'

local function shown_by(a)
  if ARGV[a + 1] == '' then return nil end
  return {gen = ARGV[a + 1], att = ARGV[a + 2], chunks = ARGV[a + 3], live = ARGV[a + 4] == '1', seq = ARGV[a + 5],
    title = ARGV[a + 6]}
end

-- The index shows a generation of it: the wanted one, the one before, or one whose envelope is not known.
local function visible(rec, head)
  local place, kind, bytes = '', 'text', '0'
  if head.gen == rec.gen then
    place, kind, bytes = rec.env, rec.kind, rec.bytes
  elseif head.gen == rec.pgen then
    place, kind, bytes = rec.penv, rec.pkind, rec.pbytes
  end
  set(rec, {vis = head.gen, venv = place, vkind = kind, vbytes = bytes, chunks = head.chunks})
  if (rec.title or '') == '' then set(rec, {title = head.title}) end
  refer(place, 1)
  redis.call('ZADD', key('vis', cid), head.seq, rec._dh)
  redis.call('HINCRBY', key('c', cid), 'chunks', head.chunks)
end

-- The index shows nothing and has shown something: searches are told, and the version before is kept to fall back on.
local function missing(rec, visible_then)
  redis.call('SADD', key('lost', cid), rec._dh)
  local known = visible_then == '' or visible_then == rec.pgen
  if known and (rec.pkind == 'text' or rec.pkind == 'file') then
    set(rec, {vis = rec.pgen, venv = rec.penv, vkind = rec.pkind, vbytes = rec.pbytes, lost = 1})
    refer(rec.penv, 1)
  end
end

local function enter_job(rec)
  local k = key('j', rec.job)
  if redis.call('HEXISTS', k, 'total') == 0 then
    local number = redis.call('INCR', key('jobs', 'number'))
    local created = redis.call('HGET', 'nf:om:job:' .. rec.job, 'created_at') or math.floor(now / 1000)
    redis.call('HSET', k, 'collection', cid, 'number', number, 'created', int(tonumber(created) * 1000), 'total', 0)
    redis.call('HSET', 'nf:om:job:' .. rec.job, 'number', number)
    redis.call('ZADD', key('jobs', cid), number, rec.job)
  end
  redis.call('HINCRBY', k, 'total', 1)
  redis.call('HINCRBY', k, rec.state, 1)
  if rec.kind == 'source' and open(rec) then redis.call('HINCRBY', k, 'sources', 1) end
  redis.call('ZADD', key('jd', rec.job), redis.call('HINCRBY', k, 'entries', 1), rec._dh)
  set(rec, {jc = rec.job})
  close_job(rec.job)
end

local function state_of(rec, head, noted)
  if head and tonumber(head.gen) > tonumber(rec.gen) then return 'failed', 'envelope-missing', LOST_REASON, true end
  if rec.kind == 'delete' and not (head and head.live) then return 'deleted' end
  if rec.kind ~= 'delete' and rec.kind ~= 'source' and head and head.live and head.gen == rec.gen then return 'ready' end
  if noted.state ~= '' then return noted.state, noted.code, noted.reason end
  return 'pending'
end

local function settle(a)
  local rec = redis.call('ZSCORE', waiting, ARGV[a]) and read(cid, ARGV[a])
  if not rec then return end
  local head = shown_by(a)
  local noted = {state = ARGV[a + 7], code = ARGV[a + 8], reason = ARGV[a + 9], vis = ARGV[a + 10]}
  local state, code, reason, ahead = state_of(rec, head, noted)
  set(rec, {state = state, code = code or '', error = reason or '', fence = head and head.att or ''})
  refer(rec.env, 1)
  if head and head.live then
    visible(rec, head)
  elseif wiped and state ~= 'deleted' and rec.kind ~= 'delete' and rec.kind ~= 'source' and noted.vis ~= '0' then
    missing(rec, noted.vis)
  end
  set(rec, {pgen = '', penv = '', pkind = '', pbytes = ''})
  enter_job(rec)
  list(rec)
  if state == 'pending' or restoring(rec) then
    enqueue(rec, now)
  elseif state ~= 'ready' and not rec.lost then
    redis.call('SREM', key('lost', cid), rec._dh)
  end
  if rec.parent and rec.kind ~= 'delete' then redis.call('ZADD', key('kids', cid, rec.parent), rec.gen, rec._dh) end
  redis.call('ZREM', waiting, rec._dh)
  local counted = (state == 'failed' or state == 'cancelled') and 'ended' or state
  tally[counted] = tally[counted] + 1
  if ahead then tally.ahead = tally.ahead + 1 end
end

for a = FIRST, #ARGV, STEP do settle(a) end
return {tally.ready, tally.pending, tally.deleted, tally.ended, tally.ahead}
