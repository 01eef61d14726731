-- KEYS: index
-- ARGV: grace_ms, sessions...
-- RETURNS: 1
-- Their scores sink to a moment from now, unless they are lower: who is about to appear has the time to say so again.
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
for i = 2, #ARGV do
  redis.call('ZADD', KEYS[1], 'XX', 'LT', now_ms + tonumber(ARGV[1]), ARGV[i])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms)
return 1
