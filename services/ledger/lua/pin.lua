#!lua flags=allow-oom
-- Keeps a pin of capture.lua for longer, or takes it back. Answers 1 when it was still ours.
-- ARGV: token, length in ms ('0': take it back).
if redis.call('GET', key('pin')) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', key('pin')) else redis.call('PEXPIRE', key('pin'), ARGV[2]) end
return 1
