#!lua flags=allow-oom
-- What is acknowledged at this moment, in one step: the envelopes that documents point into and the collections there
-- are. From now on no envelope is condemned, until the pin is taken back or runs out.
-- Answers {time in us, instance, number of the last job, envelopes, {name, record} of each collection}.
-- ARGV: token of the pin, its length in ms.
redis.call('SET', key('pin'), ARGV[1], 'PX', ARGV[2])
local collections = {}
local names = redis.call('HGETALL', 'nf:names')
for i = 1, #names, 2 do
  collections[#collections + 1] = {names[i], redis.call('HGETALL', 'nf:om:collection:' .. names[i + 1])}
end
return {int(now), redis.call('GET', key('instance')) or '', redis.call('GET', key('jobs', 'number')) or '0',
  redis.call('HKEYS', key('env')), collections}
