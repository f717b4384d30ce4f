-- Remembers the entry of a document that shows its text, and answers as similar.lua in the same step: of two that are
-- remembered, at least one sees the other. Where the index shows another text by now, nothing is remembered, and false
-- is answered. ARGV as for similar.lua. Safe to repeat.
local text, marks = unpack_entry(ARGV[2])
local head = redis.call('HMGET', ARGV[3] .. '{' .. hex(ARGV[1]) .. '}', 'live', 'hash')
if head[1] ~= '1' or head[2] ~= text then return false end
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old ~= ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) -- first, so that a server without memory refuses before any change
  if old then
    local _, gone = unpack_entry(old)
    for i, mark in ipairs(gone) do redis.call('ZREM', KEYS[i + 1], mark .. ARGV[1]) end
  end
  for i, mark in ipairs(marks) do redis.call('ZADD', KEYS[i + 1], 0, mark .. ARGV[1]) end
end
return similar(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
