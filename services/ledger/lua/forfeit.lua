#!lua flags=allow-oom
-- The stored original of a document's wanted generation is gone or damaged: it fails with that reason. What is visible of
-- it stays so for as long as the index holds it. Answers 1 when it did; what a worker holds or has changed is left alone.
-- ARGV: collection id, hash, generation, code, reason.
local rec = read(ARGV[1], ARGV[2])
if not rec or rec.gen ~= ARGV[3] or rec.tok or rec.kind == 'delete' then return 0 end
if not (rec.state == 'ready' or rec.state == 'pending') then return 0 end
dequeue(rec)
unsettle_parent(rec)
move(rec, 'failed')
set(rec, {code = ARGV[4], error = ARGV[5]})
return 1
