-- The heads under KEYS: for each the fields named in ARGV.
local heads = {}
for i, key in ipairs(KEYS) do
  heads[i] = redis.call('HMGET', key, unpack(ARGV))
end
return heads
