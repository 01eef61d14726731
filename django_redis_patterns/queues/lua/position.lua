-- KEYS: ready, ranked, suspects
-- ARGV: id
-- RETURNS: how many come before it, or nil for one that does not wait
local function before_in(list)
  local index = redis.call('LPOS', list, ARGV[1])
  return index and redis.call('LLEN', list) - index - 1
end
local before = before_in(KEYS[3])
if before then
  return before
end
local suspects, high = redis.call('LLEN', KEYS[3]), redis.call('ZCOUNT', KEYS[2], '-inf', '(0')
before = before_in(KEYS[1])
if before then
  return suspects + high + before
end
local rank = redis.call('ZRANK', KEYS[2], ARGV[1])
return rank and suspects + rank + (rank >= high and redis.call('LLEN', KEYS[1]) or 0)
