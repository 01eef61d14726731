-- KEYS: jobs, ready, ranked, suspects
-- ARGV: count
-- RETURNS: ids and records of those that wait, the next one first
local ids, most, told = {}, tonumber(ARGV[1]), {}
local function add(found)
  for i = 1, math.min(#found, most - #ids) do
    ids[#ids + 1] = found[i]
  end
end
local function reversed(list)
  local found = redis.call('LRANGE', list, -most, -1)
  for i = 1, #found / 2 do
    found[i], found[#found + 1 - i] = found[#found + 1 - i], found[i]
  end
  return found
end
add(reversed(KEYS[4]))
add(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(0', 'LIMIT', 0, most))
add(reversed(KEYS[2]))
add(redis.call('ZRANGEBYSCORE', KEYS[3], '0', '+inf', 'LIMIT', 0, most))
for i, id in ipairs(ids) do
  told[2 * i - 1], told[2 * i] = id, redis.call('HGET', KEYS[1], id) or ''
end
return told
