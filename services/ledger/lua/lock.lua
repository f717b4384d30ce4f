#!lua flags=allow-oom
-- The keeper's lock: 'take' it when it is free or ours, 'keep' or 'free' it when it is ours. Answers 1 when ours.
-- ARGV: verb, our token, length in ms.
local k = key('keeper', 'lock')
local owner = redis.call('GET', k)
if owner and owner ~= ARGV[2] then return 0 end
if ARGV[1] == 'free' then
  redis.call('DEL', k)
elseif owner or ARGV[1] == 'take' then
  redis.call('SET', k, ARGV[2], 'PX', ARGV[3])
else
  return 0
end
return 1
