#!lua flags=allow-oom
-- The index shows a generation that the ledger gave up: a worker wrote it and died before it could say so. The ledger
-- says what is true from now on. Answers 1 when it did. ARGV: collection id, hash, generation, chunks, sequence.
local rec = read(ARGV[1], ARGV[2])
if not rec or rec.gen ~= ARGV[3] or not (rec.state == 'failed' or rec.state == 'cancelled') then return 0 end
done(rec, ARGV[4], ARGV[5], '', rec.warn or '', '')
return 1
