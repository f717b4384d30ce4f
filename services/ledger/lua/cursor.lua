#!lua flags=allow-oom
-- Notes how far a source has been expanded. That is progress: attempts and time count anew from here.
-- Answers 0 when the lease is lost. ARGV: collection id, hash, generation, token, cursor, children so far.
local rec = read(ARGV[1], ARGV[2])
if not holds(rec, ARGV[4], ARGV[3]) then return 0 end
set(rec, {cursor = math.max(tonumber(rec.cursor or 0), tonumber(ARGV[5])), kids = ARGV[6], spent = '', updated = now})
if begun(rec) then set(rec, {att = 1, beg = now}) end
return 1
