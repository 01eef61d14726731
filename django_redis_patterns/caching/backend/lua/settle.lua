-- KEYS: entry
-- ARGV: lease, token, value, ttl_ms
-- RETURNS: 1 if our lease was still there and the value has taken its place, else 0
-- Without a value our lease is given back, and the next one need not wait for its deadline; a ttl of 0 is for ever.
local lease, mine = ARGV[1], ':' .. ARGV[2]
if redis.call('GETRANGE', KEYS[1], 0, #lease - 1) ~= lease then return 0 end
local there = redis.call('GET', KEYS[1])
local from, to = string.find(there, mine, #lease, true)
if not from then return 0 end
if ARGV[3] == '' then
  local others = string.match(string.sub(there, #lease + 1, from - 1), ':.*') or ''
  others = others .. string.sub(there, to + 1)
  if others == '' then return redis.call('UNLINK', KEYS[1]) end
  redis.call('SET', KEYS[1], lease .. '0' .. others, 'KEEPTTL')
elseif ARGV[4] == '0' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
end
return 1
