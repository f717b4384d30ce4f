#!lua flags=allow-oom
-- Which of these envelopes no document points into. They are marked, so that an accept which was about to point into
-- one writes another instead. ARGV: seconds to keep the mark, then names.
if redis.call('EXISTS', key('pin')) == 1 then return {} end -- a backup is being made (capture.lua)
local free = {}
for i = 2, #ARGV do
  if redis.call('HEXISTS', key('env'), ARGV[i]) == 0 then
    redis.call('SET', key('condemned', ARGV[i]), 1, 'EX', ARGV[1])
    free[#free + 1] = ARGV[i]
  end
end
return free
