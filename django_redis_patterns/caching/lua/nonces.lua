-- KEYS: tags...
-- ARGV: seed, life_ms
-- RETURNS: the nonce of each tag, made where there is none
local found = {}
for i = 1, #KEYS do
  local nonce = redis.call('GET', KEYS[i])
  if not nonce then
    -- With the time in it: a second run of the same command must not bring back what was invalidated after the first.
    local time = redis.call('TIME')
    nonce = ARGV[1] .. '.' .. time[1] .. '.' .. time[2]
    redis.call('SET', KEYS[i], nonce, 'PX', ARGV[2])
  elseif redis.call('PTTL', KEYS[i]) < tonumber(ARGV[2]) then
    redis.call('PEXPIRE', KEYS[i], ARGV[2])
  end
  found[i] = nonce
end
return found
