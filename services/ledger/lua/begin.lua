#!lua flags=allow-oom
-- Takes a claimed document in hand: one more attempt, counted before the work so that no crash goes uncounted.
-- Answers the attempt's number, which rises with every attempt at a document and so orders writes; 0: lease lost.
-- ARGV: collection id, document hash, generation, token.
local rec = read(ARGV[1], ARGV[2])
if not holds(rec, ARGV[4], ARGV[3]) then return 0 end
if not begun(rec) then
  set_tries(rec, tries(rec) + 1)
  set(rec, {fence = tonumber(rec.fence or 0) + 1, btok = rec.tok, beg = now})
end
return tonumber(rec.fence)
