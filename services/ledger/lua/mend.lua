#!lua flags=allow-oom
-- Does everything the ledger says of these documents twice agree with their records: the lists by state, the list of all,
-- what is visible and lost, the queue? Answers hash and fault in turn; puts it right when asked to. One slice is one
-- step, so nothing that is just changing is taken for a fault.
-- ARGV: collection id, 1 to mend, then hashes.
local cid, mend = ARGV[1], ARGV[2] == '1'
local STATES = {'pending', 'processing', 'ready', 'failed', 'deleted', 'cancelled', 'expanded'}
local faults = {}

local function fault(dh, what)
  faults[#faults + 1] = dh
  faults[#faults + 1] = what
end

local function queued(dh)
  for _, lane in ipairs(LANES) do
    if redis.call('ZSCORE', key('due', cid, lane), dh) then return true end
  end
  return false
end

local function lists(rec)
  local wanted, wrong = list_of(rec), false
  for _, state in ipairs(STATES) do
    local there = redis.call('ZSCORE', key('st', cid, state), rec._dh)
    if (there and state ~= wanted) or (not there and state == wanted) then
      wrong = true
      if mend and there then redis.call('ZREM', key('st', cid, state), rec._dh) end
    end
  end
  local in_all = redis.call('ZSCORE', key('all', cid), rec._dh)
  if (rec.state == 'deleted') == (in_all and true or false) then wrong = true end
  if wrong then
    fault(rec._dh, 'lists')
    if mend then list(rec) end
  end
end

local function lease(rec)
  if rec.tok and not redis.call('ZSCORE', key('leases'), rec.tok) then
    fault(rec._dh, 'stuck') -- in hand, and no lease will ever end
    if mend then put_back(rec, 0) end
    return
  end
  if not rec.tok and rec.state == 'processing' then
    fault(rec._dh, 'stuck')
    if mend then put_back(rec, 0) end
  elseif not rec.tok and (rec.state == 'pending' or restoring(rec)) and not queued(rec._dh) then
    fault(rec._dh, 'stuck')
    if mend then enqueue(rec, now) end
  end
end

local function shown(rec)
  local wanted = rec.vis and not rec.lost and rec.vkind ~= 'source'
  local there = redis.call('ZSCORE', key('vis', cid), rec._dh)
  if (wanted and true or false) ~= (there and true or false) then
    fault(rec._dh, 'visible')
    if mend and there then redis.call('ZREM', key('vis', cid), rec._dh) end
    if mend and wanted then redis.call('ZADD', key('vis', cid), 1, rec._dh) end -- the index will say which it is
  end
end

-- A hash without a record must stand in no list.
local function nothing(dh)
  local wrong = false
  local places = {key('all', cid), key('vis', cid)}
  for _, state in ipairs(STATES) do places[#places + 1] = key('st', cid, state) end
  for _, place in ipairs(places) do
    if redis.call('ZSCORE', place, dh) then
      wrong = true
      if mend then redis.call('ZREM', place, dh) end
    end
  end
  if wrong then fault(dh, 'nothing') end
end

for i = 3, #ARGV do
  local rec = read(cid, ARGV[i])
  if rec then
    lists(rec)
    lease(rec)
    shown(rec)
  else
    nothing(ARGV[i])
  end
end
return faults
