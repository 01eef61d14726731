-- KEYS: tickets, rebuild, keys...
-- ARGV: running, start, ties, tiebreak, expires...
-- RETURNS: 1 swapped, 0 another rebuild has begun, or Redis has lost this one
-- keys: per window the board, its distinct scores, its stamps, then the same three of the new board. expires: per window
-- when it expires (0: never). Who got a ticket after the start was written meanwhile, and counts as it is now.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return 0
end
local expires = {}
for i = 5, #ARGV do -- unpack() takes no more than 8000
  expires[i - 4] = ARGV[i]
end
local dense, first = ARGV[3] == 'dense', ARGV[4] == 'first'
local touched = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[2], '+inf')

local function find(place, id)
  local stamp = first and redis.call('HGET', KEYS[place + 2], id)
  local stored = first and (stamp or '') .. ':' .. id or id
  return stored, redis.call('ZSCORE', KEYS[place], stored), stamp
end

local function take_over(id, live, new)
  local stored, score = find(new, id)
  if score then
    redis.call('ZREM', KEYS[new], stored)
    if first then
      redis.call('HDEL', KEYS[new + 2], id)
    end
    if dense and redis.call('ZCOUNT', KEYS[new], score, score) == 0 then
      redis.call('ZREM', KEYS[new + 1], string.format('%.17g', tonumber(score)))
    end
  end
  local stored, score, stamp = find(live, id)
  if score then
    redis.call('ZADD', KEYS[new], score, stored)
    if first then
      redis.call('HSET', KEYS[new + 2], id, stamp)
    end
    if dense then
      redis.call('ZADD', KEYS[new + 1], score, string.format('%.17g', tonumber(score)))
    end
  end
end

for window = 0, (#KEYS - 2) / 6 - 1 do
  local live, new = 3 + 6 * window, 6 + 6 * window
  for _, id in ipairs(touched) do
    take_over(id, live, new)
  end
  for i = 0, 2 do
    redis.call('UNLINK', KEYS[live + i])
    if redis.call('EXISTS', KEYS[new + i]) == 1 then
      redis.call('RENAME', KEYS[new + i], KEYS[live + i])
      redis.call('PERSIST', KEYS[live + i])
      if expires[window + 1] ~= '0' then
        redis.call('PEXPIREAT', KEYS[live + i], expires[window + 1])
      end
    end
  end
end
return redis.call('UNLINK', KEYS[2])
