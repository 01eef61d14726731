-- KEYS: live, wake
-- ARGV: names...
-- RETURNS: nothing
-- A lease of 0 says that its holder is dead: whoever steps next takes over what it had.
for i = 1, #ARGV do
  redis.call('ZADD', KEYS[1], 0, ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], 90000000)
if redis.call('LLEN', KEYS[2]) == 0 then
  redis.call('LPUSH', KEYS[2], '')
end
redis.call('PEXPIRE', KEYS[2], 60000)
