#!lua flags=allow-oom
-- Deletes some of a document's left-over chunks.
-- ARGV[5] seconds after which a tombstone may go
if #trash == 0 then return answer('swept') end
sweep(budget)
if #trash > 0 then
  redis.call('HSET', head_key, 'trash', table.concat(trash, ' '))
else
  redis.call('HDEL', head_key, 'trash')
  if head.live == '0' and not head.sgen then redis.call('EXPIRE', head_key, ARGV[5]) end
end
return answer('swept')
