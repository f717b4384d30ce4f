-- Makes a fully staged generation the visible one.
-- ARGV[5] chunks   ARGV[6] head arguments   then these
local refused = refusal()
if refused then return refused end
if head.gen == generation and head.live == '1' then
  redis.call('HSET', head_key, 'att', attempt)
  return answer('already')
end
local count = tonumber(ARGV[5])
if head.sgen ~= generation or head.satt ~= attempt or number(head.sdone) ~= count then
  return answer(compare(head.sgen, head.satt) < 0 and 'stale' or 'restage')
end
local sequence = next_sequence()
retire(count)
sweep(budget)
return place_head(1, count, sequence, slice(7, tonumber(ARGV[6])))
