#!lua flags=allow-oom
-- Removes a slice of what the ledger holds of a deleted collection, which takes nothing in any more.
-- Answers how many documents and jobs went; 0: nothing is left. ARGV: collection id, most.
local cid, most, gone = ARGV[1], tonumber(ARGV[2]), 0
redis.call('SADD', key('dropped'), cid)
for _, name in ipairs({'all', 'st'}) do
  local k = name == 'all' and key('all', cid) or key('st', cid, 'deleted')
  for _, dh in ipairs(redis.call('ZRANGE', k, 0, most - 1)) do
    local rec = read(cid, dh)
    if rec then
      unlease(rec)
      refer(rec.env, -1)
      refer(rec.venv, -1)
    end
    redis.call('UNLINK', key('d', cid, dh), key('kids', cid, dh))
    redis.call('ZREM', k, dh)
    gone = gone + 1
  end
end
for _, job in ipairs(redis.call('ZRANGE', key('jobs', cid), 0, most - 1)) do
  redis.call('UNLINK', key('j', job), key('jd', job), 'nf:om:job:' .. job)
  redis.call('ZREM', key('jobs', cid), job)
  redis.call('ZREM', key('jobs', 'done'), job)
  gone = gone + 1
end
if gone == 0 then
  for _, lane in ipairs(LANES) do redis.call('UNLINK', key('due', cid, lane)) end
  for _, state in ipairs({'pending', 'processing', 'ready', 'failed', 'deleted', 'cancelled', 'expanded'}) do
    redis.call('UNLINK', key('st', cid, state))
  end
  redis.call('UNLINK', key('c', cid), key('vis', cid), key('lost', cid), key('all', cid), key('jobs', cid))
  redis.call('SREM', key('collections'), cid)
end
return gone
