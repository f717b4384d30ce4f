#!lua
-- What an accept needs to know beforehand: the time, the answer already given to this request id, the highest
-- generation among its documents, and which of them would change nothing (their bytes need not be written again).
-- ARGV: collection id, key of the remembered answer, then per document: hash, kind, full hash.
local cid = ARGV[1]
local answer = redis.call('GET', key('q', ARGV[2]))
local highest, same = 0, {}
for i = 3, #ARGV, 3 do
  local dh, kind, full = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local found = redis.call('HMGET', key('d', cid, dh), 'gen', 'state', 'kind', 'full', 'cx')
  local rec = found[1] and {gen = found[1], state = found[2], kind = found[3], full = found[4], cx = found[5]} or nil
  if rec then highest = math.max(highest, tonumber(rec.gen)) end
  same[#same + 1] = unchanged(rec, kind, full) and 1 or 0
end
return {int(now), answer, int(highest), same}
