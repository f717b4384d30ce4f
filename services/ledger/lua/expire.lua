#!lua flags=allow-oom
-- Takes back what dead workers hold. Documents that were in hand have used an attempt, the others have not.
-- A lease that reaches further than it is long was made before the clock jumped back: it is cut to its length.
-- Answers {leases ended, collections with work, documents that failed as collection id and hash in turn}.
-- ARGV: most leases, attempts, deadline in us, code, reason.
local ended, woken, failed, seen = 0, {}, {}, {}

local function end_lease(token)
  local k = key('t', token)
  local cid = redis.call('HGET', k, 'collection')
  local hashes = held_under(token)
  for order, dh in ipairs(hashes) do
    local rec = cid and read(cid, dh)
    if rec and rec.tok == token then
      local place = order - #hashes -- due now, in the order in which they were handed out
      if begun(rec) then
        attempt_failed(rec, ARGV[4], ARGV[5], place, tonumber(ARGV[2]), tonumber(ARGV[3]))
      else
        put_back(rec, place)
      end
      if not open(rec) then
        failed[#failed + 1] = cid
        failed[#failed + 1] = dh
      end
    end
  end
  redis.call('DEL', k)
  redis.call('ZREM', key('leases'), token)
  if cid and not seen[cid] then
    seen[cid] = true
    woken[#woken + 1] = cid
    redis.call('HDEL', key('c', cid), 'bell', 'claimed') -- nobody is at it: the next look at the bells rings at once
  end
  ended = ended + 1
end

for _, token in ipairs(redis.call('ZRANGEBYSCORE', key('leases'), '-inf', int(now), 'LIMIT', 0, ARGV[1])) do
  end_lease(token)
end
for _, token in ipairs(redis.call('ZREVRANGE', key('leases'), 0, 31)) do
  local lease = tonumber(redis.call('HGET', key('t', token), 'lease') or 0)
  if tonumber(redis.call('ZSCORE', key('leases'), token)) > now + lease then
    redis.call('ZADD', key('leases'), int(now + lease), token)
  end
end
return {ended, woken, failed}
