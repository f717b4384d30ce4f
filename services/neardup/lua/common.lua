-- Put before the scripts of this folder. An entry, at KEYS[1] under its document's 16 bytes, is
-- {length of the text hash, text hash, exact hash (16), number of bands, the bands (6 each), minima}.
-- KEYS[2] exact hashes, KEYS[3...] one sorted set per band: members are the hash or band followed by the document.
local function unpack_entry(entry)
  local size = string.byte(entry)
  local marks = {string.sub(entry, size + 2, size + 17)}
  local at = size + 19
  for i = 1, string.byte(entry, size + 18) do
    marks[i + 1] = string.sub(entry, at, at + 5)
    at = at + 6
  end
  return string.sub(entry, 2, size + 1), marks, string.sub(entry, at)
end

local function remove(doc, entry)
  local _, marks = unpack_entry(entry)
  for i, mark in ipairs(marks) do
    redis.call('ZREM', KEYS[i + 1], mark .. doc)
  end
  redis.call('HDEL', KEYS[1], doc)
end

local function hex(bytes)
  return (string.gsub(bytes, '.', function(c) return string.format('%02x', string.byte(c)) end))
end

-- Documents that may have the text of `entry` or nearly it, at most `most` per key and pass. One that is gone by now, or
-- has another text, does not count; it is taken out, and another pass is made, so that those do not hide the others.
-- Each is {document, its exact hash, its minima, then of its head: generation, finish sequence, id}.
local function similar(own, entry, heads, most)
  local _, marks = unpack_entry(entry)
  local seen, rows = {[own] = true}, {}
  for i, mark in ipairs(marks) do
    local passes, stale = 0, true
    while stale and passes < 8 do
      passes, stale = passes + 1, false
      local members = redis.call('ZRANGEBYLEX', KEYS[i + 1], '[' .. mark, '[' .. mark .. string.rep('\255', 17),
        'LIMIT', 0, most)
      for _, member in ipairs(members) do
        local doc = string.sub(member, #mark + 1)
        if not seen[doc] then
          seen[doc] = true
          local known = redis.call('HGET', KEYS[1], doc)
          local head = redis.call('HMGET', heads .. '{' .. hex(doc) .. '}', 'live', 'hash', 'gen', 'seq', 'id')
          local text, its_marks, minima
          if known then text, its_marks, minima = unpack_entry(known) end
          if known and head[1] == '1' and head[2] == text then
            rows[#rows + 1] = {doc, its_marks[1], minima, head[3], head[4], head[5]}
          else
            stale = true
            if known then remove(doc, known) end
            redis.call('ZREM', KEYS[i + 1], member)
          end
        end
      end
    end
  end
  return rows
end
