-- Writes and drops items of a source that is still there. KEYS: record, items. ARGV: number to write, key, value ..., then
-- keys to drop.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local written = tonumber(ARGV[1])
for i = 2, written * 2, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
for i = written * 2 + 2, #ARGV do
  redis.call('HDEL', KEYS[2], ARGV[i])
end
return 1
