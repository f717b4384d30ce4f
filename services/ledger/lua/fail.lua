#!lua flags=allow-oom
-- Ends an attempt without success: 'pending' when another follows, 'failed' or 'cancelled' when none does,
-- 'already' when it has failed before, 'lost' when the document is in other hands.
-- ARGV: collection id, hash, generation, token, code, reason, 1 to try again, first pause in us, attempts, deadline in us.
local rec = read(ARGV[1], ARGV[2])
if not rec then return 'lost' end
if not holds(rec, ARGV[4], ARGV[3]) then
  return rec.gen == ARGV[3] and rec.state == 'failed' and 'already' or 'lost'
end
if ARGV[7] == '1' then
  local pause = tonumber(ARGV[8]) * 4 ^ math.max(0, tries(rec) - 1)
  attempt_failed(rec, ARGV[5], ARGV[6], pause, tonumber(ARGV[9]), tonumber(ARGV[10]))
else
  give_up(rec, 'failed', ARGV[5], ARGV[6])
end
return rec.state
