#!lua flags=allow-oom
-- Ends a document with success: the index shows this generation since `sequence` (0 for a source).
-- 'finished'; 'already' when repeated or done by another; 'lost' when the lease went to another or the document has a
-- newer generation; 'version-changed' when it must be written for another index version (it waits again).
-- ARGV: collection id, hash, generation, token, chunks, sequence, title, warnings, live version, place in
-- the envelope, kind, bytes, milliseconds of its steps or ''.
local cid, gen, chunks, sequence = ARGV[1], ARGV[3], ARGV[5], ARGV[6]
local rec = read(cid, ARGV[2])

-- A newer generation is wanted, but until it is made the index shows this one, whatever the ledger believed.
local function overtaken()
  if tonumber(sequence) == 0 or tonumber(gen) >= tonumber(rec.gen) or tonumber(gen) <= tonumber(rec.vis or 0)
    or rec.state == 'deleted' or redis.call('EXISTS', key('condemned', string.match(ARGV[10], '^[^:]+'))) == 1 then
    return
  end
  if ARGV[11] == 'delete' then return drop_visible(rec) end
  keep_visible(rec, ARGV[10], ARGV[11], ARGV[12])
  show(rec, gen, chunks, sequence)
end

if not rec then return 'lost' end
if not holds(rec, ARGV[4], gen) then
  if rec.gen == gen and (rec.state == 'ready' or rec.state == 'deleted') then return 'already' end
  if rec.state == 'failed' or rec.state == 'cancelled' then
    if rec.vis == gen and not rec.lost then return 'already' end
    if rec.gen == gen and tonumber(sequence) > 0 then -- late, but the index shows it: the ledger says what is true
      done(rec, chunks, sequence, ARGV[7], ARGV[8], ARGV[13])
      return 'finished'
    end
  end
  overtaken()
  return 'lost'
end
if (redis.call('HGET', key('c', cid), 'version') or '1') ~= ARGV[9] then
  set_tries(rec, tries(rec) - (begun(rec) and 1 or 0))
  put_back(rec, 0)
  return 'version-changed'
end
if restoring(rec) then
  unlease(rec)
  show(rec, gen, chunks, sequence)
else
  done(rec, chunks, sequence, ARGV[7], ARGV[8], ARGV[13])
end
return 'finished'
