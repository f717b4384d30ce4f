#!lua flags=allow-oom
-- Removes a document and leaves a tombstone, so that a slow writer of an older generation cannot bring it back.
-- ARGV[5] seconds after which the tombstone may go
local refused = refusal()
if refused then return refused end
local sequence = next_sequence()
retire(0)
sweep(budget)
local result = place_head(0, 0, sequence, {})
if #trash == 0 and not head.sgen then redis.call('EXPIRE', head_key, ARGV[5]) end
return result
