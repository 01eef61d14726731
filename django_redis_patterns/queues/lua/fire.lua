-- KEYS: jobs, later, wake, fired
-- ARGV: name, moment, is_past, id, record
-- RETURNS: 1 if it was put in, else 0
-- The moments of a schedule only go forward. One that nobody has heard of begins with a moment that is to come.
local last = redis.call('HGET', KEYS[4], ARGV[1])
if last and tonumber(last) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[4], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[4], 34560000000)
if not last and ARGV[3] == '1' then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[4], ARGV[5])
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[4])
if redis.call('LLEN', KEYS[3]) == 0 then
  redis.call('LPUSH', KEYS[3], '')
  redis.call('PEXPIRE', KEYS[3], 60000)
end
return 1
