#!lua flags=allow-oom
-- Gives documents back untouched, and their attempt with them: something around them failed, or there is more to do.
-- Answers how many were given back. ARGV: token, pause in us, then document hashes.
local cid = redis.call('HGET', key('t', ARGV[1]), 'collection')
local given = 0
for i = 3, #ARGV do
  local rec = cid and read(cid, ARGV[i])
  if rec and rec.tok == ARGV[1] then
    if begun(rec) then set_tries(rec, tries(rec) - 1) end
    put_back(rec, tonumber(ARGV[2]) + i - #ARGV)
    given = given + 1
  end
end
return given
