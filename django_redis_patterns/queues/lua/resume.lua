-- KEYS: paused, wake
-- ARGV: -
-- RETURNS: 1, or 0 when it was not paused
local was_paused = redis.call('DEL', KEYS[1])
if was_paused == 1 and redis.call('LLEN', KEYS[2]) == 0 then
  redis.call('LPUSH', KEYS[2], '')
  redis.call('PEXPIRE', KEYS[2], 60000)
end
return was_paused
