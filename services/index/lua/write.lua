-- Replaces a document in one step: readers see the old chunks or the new ones.
-- ARGV[5] chunks   ARGV[6] shared arguments   ARGV[7] head arguments   then these arguments, then six per chunk
local refused = refusal()
if refused then return refused end
if head.sgen == generation and compare(head.sgen, head.satt) < 0 then return answer('stale') end

local count, shared, fields = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local sequence = next_sequence()
reclaim()
put_chunks(0, count, 8 + shared + fields, slice(8, shared))
retire(count)
sweep(budget)
return place_head(1, count, sequence, slice(8 + shared, fields))
