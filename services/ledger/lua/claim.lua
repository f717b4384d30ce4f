#!lua flags=allow-oom
-- Hands out due documents under a lease. The same token gets the same documents again, less those it has finished.
-- Documents whose first attempt went wrong come in small groups, those whose second did come alone: so one that ends
-- its workers cannot take others with it, and what a killed worker held is back soon. A source comes alone too.
-- Answers {live version, 1 if more is due, documents}; a document is {hash, id, generation, attempts, kind, envelope,
-- bytes, job, visible generation, cursor, children}.
-- ARGV: collection id, token, most documents, most bytes, lease in us.
local cid, token, most, most_bytes, lease = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local ORDER = { -- small requests overtake bulk ones, but every fourth claim begins elsewhere so that nothing starves
  [0] = {'fast', 'again', 'bulk'}, {'again', 'fast', 'bulk'}, {'again', 'fast', 'bulk'}, {'bulk', 'again', 'fast'}}
local AGAIN = 16 -- documents on their second attempt in one claim
local lease_key = key('t', token)

local function target(rec)
  if restoring(rec) then return rec.vis, rec.venv, rec.vkind, rec.vbytes end
  return rec.gen, rec.env, rec.kind, rec.bytes
end

local function shown(rec)
  local gen, place, kind, bytes = target(rec)
  local visible = not rec.lost and rec.vkind ~= 'source' and rec.vis or '0'
  local children = redis.call('ZCARD', key('kids', cid, rec._dh))
  return {rec._dh, rec.id, gen, tries(rec), kind, place, bytes, rec.job or '', visible, rec.cursor or '0', children}
end

local function held()
  local shows = {}
  for _, dh in ipairs(held_under(token)) do
    local rec = read(cid, dh)
    if rec and rec.tok == token then shows[#shows + 1] = shown(rec) end
  end
  return shows
end

local function take(rec, order)
  dequeue(rec)
  set(rec, {tok = token, lg = (target(rec))})
  if not restoring(rec) then
    if rec.jc then redis.call('HSETNX', key('j', rec.jc), 'started', int(now)) end
    if not rec.queued then set(rec, {queued = math.max(0, now - tonumber(rec.updated))}) end
    move(rec, 'processing')
  end
  redis.call('HSET', lease_key, 'collection', cid, 'lease', ARGV[5], rec._dh, order)
end

local function take_from(lane)
  local k, taken, bytes = key('due', cid, lane), {}, 0
  local limit = lane == 'again' and math.min(most, AGAIN) or most
  local function joins(rec, size, kind) -- at least one is taken, whatever it is
    return #taken == 0 or (bytes + size <= most_bytes and kind ~= 'source' and (lane ~= 'again' or tries(rec) <= 1))
  end
  for _, dh in ipairs(redis.call('ZRANGEBYSCORE', k, '-inf', int(now), 'LIMIT', 0, limit)) do
    local rec = read(cid, dh)
    if not rec or rec.tok or not (rec.state == 'pending' or restoring(rec)) then
      redis.call('ZREM', k, dh)
    else
      local _, _, kind, size = target(rec)
      if not joins(rec, tonumber(size), kind) then break end
      bytes = bytes + tonumber(size)
      local alone = kind == 'source' or (lane == 'again' and tries(rec) > 1)
      take(rec, #taken + 1)
      taken[#taken + 1] = shown(rec)
      if alone then break end
    end
  end
  return taken
end

local version = redis.call('HGET', key('c', cid), 'version') or '1'
if redis.call('SISMEMBER', key('dropped'), cid) == 1 then return {version, 0, {}} end
local taken
if redis.call('EXISTS', lease_key) == 1 then
  taken = held()
else
  redis.call('HDEL', key('c', cid), 'bell')
  redis.call('HSET', key('c', cid), 'claimed', int(now))
  for _, lane in ipairs(ORDER[redis.call('HINCRBY', key('c', cid), 'claims', 1) % 4]) do
    taken = take_from(lane)
    if #taken > 0 then
      redis.call('ZADD', key('leases'), int(now + lease), token)
      break
    end
  end
end
local more = 0
for _, lane in ipairs(LANES) do more = more + redis.call('ZCOUNT', key('due', cid, lane), '-inf', int(now)) end
return {version, more > 0 and 1 or 0, taken}
