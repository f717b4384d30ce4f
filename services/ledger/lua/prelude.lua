-- Stands before every script of the ledger. Time is Redis TIME, in microseconds; no machine's own clock is asked.
-- Numbers stay below 2^53 and are written with int(): Lua would print 1.7e+15.
-- Key names are built here and not passed as KEYS, because the ledger is one plain Redis, never a cluster.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local LANES = {'fast', 'again', 'bulk'}

local function int(number) return string.format('%.0f', number) end

local function key(...) return 'nf:l:' .. table.concat({...}, ':') end

-- The record of a document as a table of texts, with its place in _cid and _dh; nil when there is none.
local function read(cid, dh)
  local flat = redis.call('HGETALL', key('d', cid, dh))
  if #flat == 0 then return nil end
  local rec = {_cid = cid, _dh = dh}
  for i = 1, #flat, 2 do rec[flat[i]] = flat[i + 1] end
  return rec
end

-- Changes fields of a record; '' removes one.
local function set(rec, changes)
  local puts, drops = {}, {}
  for name, value in pairs(changes) do
    if type(value) == 'number' then value = int(value) end
    if value == '' then
      if rec[name] then drops[#drops + 1] = name end
      rec[name] = nil
    else
      puts[#puts + 1] = name
      puts[#puts + 1] = value
      rec[name] = value
    end
  end
  local k = key('d', rec._cid, rec._dh)
  if #puts > 0 then redis.call('HSET', k, unpack(puts)) end
  if #drops > 0 then redis.call('HDEL', k, unpack(drops)) end
end

-- How many documents point into an envelope, as their wanted or as their visible version.
local function refer(place, by)
  if not place or place == '' then return end
  local name = string.match(place, '^[^:]+')
  if redis.call('HINCRBY', key('env'), name, by) <= 0 then redis.call('HDEL', key('env'), name) end
end

-- A job is finished while none of its documents is pending or processing; adding more opens it again.
local function close_job(job)
  local k = key('j', job)
  local counts = redis.call('HMGET', k, 'pending', 'processing', 'finished')
  local open = tonumber(counts[1] or 0) + tonumber(counts[2] or 0)
  if open == 0 and not counts[3] then
    redis.call('HSET', k, 'finished', int(now))
    redis.call('ZADD', key('jobs', 'done'), int(now), job)
  elseif open > 0 and counts[3] then
    redis.call('HDEL', k, 'finished')
    redis.call('ZREM', key('jobs', 'done'), job)
  end
end

local OPEN = {pending = true, processing = true}

local function open(rec) return OPEN[rec.state] end

-- A document's generation goes from one counter of its job to another; an expanded source leaves the total.
-- `sources` counts the sources still to be expanded: while there are some nobody knows how much is to do.
local function count(rec, from, to)
  local k = rec.jc and key('j', rec.jc)
  if not k or redis.call('HEXISTS', k, 'total') == 0 then return end
  local expanded = rec.kind == 'source' and to == 'ready'
  redis.call('HINCRBY', k, from, -1)
  redis.call('HINCRBY', k, expanded and 'total' or to, expanded and -1 or 1)
  if rec.kind == 'source' and OPEN[from] ~= OPEN[to] then
    redis.call('HINCRBY', k, 'sources', OPEN[to] and 1 or -1)
  end
  close_job(rec.jc)
end

-- The list that shows a document. A source that has been expanded is no document to be found, so it has its own.
local function list_of(rec)
  if rec.kind == 'source' and rec.state == 'ready' then return 'expanded' end
  return rec.state
end

local function list(rec)
  redis.call('ZADD', key('st', rec._cid, list_of(rec)), rec.seq, rec._dh)
  redis.call(rec.state == 'deleted' and 'ZREM' or 'ZADD', key('all', rec._cid),
    unpack(rec.state == 'deleted' and {rec._dh} or {rec.seq, rec._dh}))
end

local function unlist(rec) redis.call('ZREM', key('st', rec._cid, list_of(rec)), rec._dh) end

-- The wanted generation enters another state: the record, the lists and the job's counters move together.
local function move(rec, to)
  unlist(rec)
  if rec.state ~= to then count(rec, rec.state, to) end
  set(rec, {state = to, updated = now})
  list(rec)
end

-- True while the wanted generation has ended without success and the lost visible one is being made again.
local function restoring(rec)
  return rec.lost and rec.vis and (rec.state == 'failed' or rec.state == 'cancelled')
end

local function tries(rec)
  if restoring(rec) then return tonumber(rec.ratt or 0) end -- not "and .. or": a missing ratt would fall back to att
  return tonumber(rec.att or 0)
end

local function set_tries(rec, n) set(rec, {[restoring(rec) and 'ratt' or 'att'] = n > 0 and n or ''}) end

local function enqueue(rec, at)
  redis.call('ZADD', key('due', rec._cid, tries(rec) > 0 and 'again' or rec.lane), int(at), rec._dh)
end

local function dequeue(rec)
  for _, lane in ipairs(LANES) do redis.call('ZREM', key('due', rec._cid, lane), rec._dh) end
end

local function holds(rec, token, gen) return rec and rec.tok == token and rec.lg == gen end

local function begun(rec) return rec.tok and rec.btok == rec.tok end

-- The hashes of the documents under a lease, in the order in which they were handed out.
local function held_under(token)
  local flat, places = redis.call('HGETALL', key('t', token)), {}
  local hashes = {}
  for i = 1, #flat, 2 do
    if flat[i] ~= 'collection' and flat[i] ~= 'lease' then
      hashes[#hashes + 1] = flat[i]
      places[flat[i]] = tonumber(flat[i + 1])
    end
  end
  table.sort(hashes, function(a, b) return places[a] < places[b] end)
  return hashes
end

-- Takes a document out of its lease; an empty lease goes.
local function unlease(rec)
  if not rec.tok then return end
  local k = key('t', rec.tok)
  redis.call('HDEL', k, rec._dh)
  if redis.call('HLEN', k) <= 2 then
    redis.call('DEL', k)
    redis.call('ZREM', key('leases'), rec.tok)
  end
  set(rec, {tok = '', lg = '', btok = '', beg = ''})
end

-- The index no longer shows a document's visible generation.
local function hide(rec)
  if rec.chunks then redis.call('HINCRBY', key('c', rec._cid), 'chunks', int(-rec.chunks)) end
  redis.call('ZREM', key('vis', rec._cid), rec._dh)
  set(rec, {chunks = ''})
end

-- The index shows this generation of a document.
local function show(rec, gen, chunks, sequence)
  hide(rec)
  redis.call('HINCRBY', key('c', rec._cid), 'chunks', chunks)
  redis.call('ZADD', key('vis', rec._cid), sequence, rec._dh)
  redis.call('SREM', key('lost', rec._cid), rec._dh)
  set(rec, {vis = gen, chunks = chunks, lost = '', ratt = ''})
end

-- Forgets the visible version: it is deleted, or lost for good.
local function drop_visible(rec)
  hide(rec)
  refer(rec.venv, -1)
  redis.call('SREM', key('lost', rec._cid), rec._dh)
  set(rec, {vis = '', venv = '', vkind = '', vbytes = '', lost = '', ratt = ''})
end

-- A source whose rows are no longer all there must not count as unchanged when it is sent again.
local function unsettle_parent(rec)
  if rec.parent then redis.call('HDEL', key('d', rec._cid, rec.parent), 'full') end
end

-- Ends the work in hand without success. A visible version that was lost meanwhile is queued to be made again.
local function give_up(rec, state, code, reason)
  unlease(rec)
  dequeue(rec)
  if restoring(rec) then
    set(rec, {error = (rec.error or '') .. ' The earlier version could not be indexed again: ' .. reason})
    drop_visible(rec)
    return
  end
  unsettle_parent(rec)
  move(rec, state)
  set(rec, {code = code, error = reason, cx = ''})
  if restoring(rec) then
    enqueue(rec, now)
  else
    redis.call('SREM', key('lost', rec._cid), rec._dh) -- nothing of it will be shown again
  end
end

-- The work in hand waits to be taken again, unless its job was cancelled meanwhile.
local function put_back(rec, pause)
  unlease(rec)
  if rec.cx then return give_up(rec, 'cancelled', 'cancelled', 'Cancelled on request.') end
  if not restoring(rec) then move(rec, 'pending') end
  enqueue(rec, now + pause)
end

-- An attempt ended badly: another one follows unless they are used up or the document's time is.
local function attempt_failed(rec, code, reason, pause, limit, deadline)
  if begun(rec) then set(rec, {spent = tonumber(rec.spent or 0) + math.max(0, now - tonumber(rec.beg))}) end
  if tonumber(rec.spent or 0) > deadline then
    give_up(rec, 'failed', 'too-slow', 'The time that one document may take was used up.')
  elseif tries(rec) >= limit then
    give_up(rec, 'failed', code, reason)
  else
    put_back(rec, pause)
  end
end

-- Notes where the visible version lies, so that its text can be read and made again.
local function keep_visible(rec, place, kind, bytes)
  refer(place, 1)
  refer(rec.venv, -1)
  set(rec, {venv = place, vkind = kind, vbytes = bytes})
end

-- The wanted generation is done: the index shows it, or shows nothing any more, or a source has been expanded.
local function done(rec, chunks, sequence, title, warnings, times)
  unlease(rec)
  dequeue(rec)
  set(rec, {code = '', error = '', cx = '', spent = '', cursor = '', warn = warnings, times = times})
  if title ~= '' or rec.kind == 'file' then set(rec, {title = title}) end
  if rec.kind == 'delete' then
    drop_visible(rec)
    move(rec, 'deleted')
    return
  end
  keep_visible(rec, rec.env, rec.kind, rec.bytes)
  if rec.kind == 'source' then
    hide(rec)
    redis.call('SREM', key('lost', rec._cid), rec._dh)
    set(rec, {vis = rec.gen, lost = '', ratt = ''})
  else
    show(rec, rec.gen, chunks, sequence)
  end
  move(rec, 'ready')
end

-- True when a request changes nothing. Compared with what was last accepted, so that A, B, A ends as A.
local function unchanged(rec, kind, full)
  if kind == 'delete' then
    return not rec or rec.state == 'deleted' or (rec.kind == 'delete' and open(rec) and not rec.cx)
  end
  return rec and full ~= '' and rec.full == full and not rec.cx and (open(rec) or rec.state == 'ready')
end
