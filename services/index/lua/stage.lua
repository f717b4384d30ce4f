-- Writes a slice of a large document beside what is visible; flip.lua makes it visible.
-- ARGV[5] ordinal of the first chunk   ARGV[6] chunks   ARGV[7] shared arguments   then these, then six per chunk
local refused = refusal()
if refused then return refused end
if head.gen == generation and head.live == '1' then
  -- An earlier attempt got through; its answer was lost. The same generation is not written over, slice by slice.
  redis.call('HSET', head_key, 'att', attempt)
  return answer('already')
end
local order = compare(head.sgen, head.satt)
if order < 0 then return answer('stale') end

local base, count, shared = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local high = 0
if base > 0 then
  if order ~= 0 or number(head.sdone) ~= base then return answer('restage') end
  high = number(head.shigh)
elseif head.sgen == generation then
  high = number(head.shigh)
elseif head.sgen then
  discard(head.sgen, 0, number(head.shigh))
end
redis.call('HSET', head_key, 'sgen', generation, 'satt', attempt, 'sdone', whole(base + count),
  'shigh', whole(math.max(high, base + count)), 'trash', table.concat(trash, ' '))
put_chunks(base, count, 8 + shared, slice(8, shared))
return answer('staged')
