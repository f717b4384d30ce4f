-- Put before every script that changes a document. A document's head says which generation of chunks is visible.
-- KEYS[1] head of the document       KEYS[2] counters of the index
-- ARGV[1] prefix of its chunk keys   ARGV[2] generation   ARGV[3] attempt   ARGV[4] old chunks to delete at once, at most
-- Fields of a head: gen att n live seq, what a hit shows, and while there is work left over:
--   trash   ranges "generation:from:past" of chunks that nobody sees any more
--   sgen satt sdone shigh   a staged generation: attempt, chunks staged without a gap, highest chunk ever staged
-- Generations are microseconds since the epoch: below 2^53, so exact as Lua numbers, but never to be printed as such.
local head_key, index_key = KEYS[1], KEYS[2]
local prefix, generation, attempt, budget = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local function number(value)
  return tonumber(value or 0) or 0
end

local function whole(value)
  return string.format('%.0f', value)
end

local head = {}
do
  local names = {'gen', 'att', 'n', 'live', 'seq', 'trash', 'sgen', 'satt', 'sdone', 'shigh'}
  local values = redis.call('HMGET', head_key, unpack(names))
  for i, name in ipairs(names) do
    head[name] = values[i] or nil
  end
end

local trash = {}
for range in string.gmatch(head.trash or '', '%S+') do
  trash[#trash + 1] = range
end

-- 1: the caller is newer than (gen, att), 0: the same, -1: older.
local function compare(gen, att)
  if not gen then return 1 end
  local difference = number(generation) - number(gen)
  if difference == 0 then difference = number(attempt) - number(att) end
  return difference > 0 and 1 or (difference < 0 and -1 or 0)
end

local function answer(outcome)
  return {outcome, head.seq or '0', head.n or '0', #trash}
end

-- The answer for a caller who must not change anything, or nil.
local function refusal()
  local order = compare(head.gen, head.att)
  if order > 0 then return nil end
  return answer(order == 0 and 'already' or 'stale')
end

-- The first write of a script, so that a server without memory refuses here, before anything is changed.
local function next_sequence()
  local time = redis.call('TIME')
  local now = number(time[1]) * 1000000 + number(time[2])
  local sequence = whole(math.max(number(redis.call('HGET', index_key, 'sequence')) + 1, now))
  redis.call('HSET', index_key, 'sequence', sequence)
  return sequence
end

local function chunk_key(gen, ordinal)
  return prefix .. gen .. ':' .. whole(ordinal)
end

local function discard(gen, from, past)
  if past > from then
    trash[#trash + 1] = gen .. ':' .. whole(from) .. ':' .. whole(past)
  end
end

local function sweep(most)
  while most > 0 and #trash > 0 do
    local gen, from, past = string.match(trash[#trash], '(%d+):(%d+):(%d+)')
    from, past = number(from), number(past)
    local cut = math.max(from, past - most)
    for ordinal = cut, past - 1 do
      redis.call('DEL', chunk_key(gen, ordinal))
    end
    most = most - (past - cut)
    if cut > from then
      trash[#trash] = gen .. ':' .. whole(from) .. ':' .. whole(cut)
    else
      trash[#trash] = nil
    end
  end
end

-- Left-over chunks under the generation that is about to be written go first, or they would be swept out of it later.
local function reclaim()
  local rest = {}
  for _, range in ipairs(trash) do
    if string.match(range, '^%d+') == generation then
      trash = {range}
      sweep(math.huge)
    else
      rest[#rest + 1] = range
    end
  end
  trash = rest
end

-- Whatever is visible or staged, apart from the first `kept` chunks of the caller's own generation, becomes trash.
-- A staged generation that is newer than the caller stays.
local function retire(kept)
  if head.gen then
    discard(head.gen, head.gen == generation and kept or 0, number(head.n))
  end
  if head.sgen and compare(head.sgen, head.satt) >= 0 then
    discard(head.sgen, head.sgen == generation and kept or 0, number(head.shigh))
    head.sgen = nil
  end
end

-- Writes `count` chunks from ARGV[first] on: vector, text, start, end, heading, page of each; `shared` are the
-- arguments that all of them carry. Chunks are written once: any later change would insert the vector again.
local function put_chunks(base, count, first, shared)
  for i = 0, count - 1 do
    local at = first + 6 * i
    local fields = {'v', ARGV[at], 't', ARGV[at + 1], 's', ARGV[at + 2], 'e', ARGV[at + 3]}
    if ARGV[at + 4] ~= '' then
      fields[#fields + 1] = 'h'
      fields[#fields + 1] = ARGV[at + 4]
    end
    if ARGV[at + 5] ~= '' then
      fields[#fields + 1] = 'p'
      fields[#fields + 1] = ARGV[at + 5]
    end
    for _, value in ipairs(shared) do
      fields[#fields + 1] = value
    end
    local key = chunk_key(generation, base + i)
    redis.call('DEL', key)
    redis.call('HSET', key, unpack(fields))
  end
end

local function slice(first, count)
  local values = {}
  for i = first, first + count - 1 do
    values[#values + 1] = ARGV[i]
  end
  return values
end

-- Replaces the head; DEL also takes away the expiry of a tombstone.
local function place_head(live, chunks, sequence, fields)
  redis.call('HINCRBY', index_key, 'documents', live - number(head.live))
  redis.call('HINCRBY', index_key, 'chunks', chunks - number(head.n))
  local values = {'gen', generation, 'att', attempt, 'n', whole(chunks), 'live', whole(live), 'seq', sequence}
  for _, value in ipairs(fields) do
    values[#values + 1] = value
  end
  if #trash > 0 then
    values[#values + 1] = 'trash'
    values[#values + 1] = table.concat(trash, ' ')
  end
  if head.sgen then
    for _, name in ipairs({'sgen', 'satt', 'sdone', 'shigh'}) do
      values[#values + 1] = name
      values[#values + 1] = head[name]
    end
  end
  redis.call('DEL', head_key)
  redis.call('HSET', head_key, unpack(values))
  return {'written', sequence, whole(chunks), #trash}
end

