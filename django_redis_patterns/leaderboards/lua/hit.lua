-- KEYS: board, clock
-- ARGV: member, weight, half_life_ms, floor, kept
-- RETURNS: the member's decayed score (as text), null when nobody has said a half life yet
-- A hit weighs 2^(half lives since the clock's start), so that older ones need no recount; half_life_ms '': as before.
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local clock = redis.call('HMGET', KEYS[2], 'start', 'half_life')
local start, half_life = tonumber(clock[1] or now), clock[2] or ARGV[3]
if half_life == '' then
  return false
end
local passed = (now - start) / half_life
local changed = ARGV[3] ~= '' and ARGV[3] ~= half_life
if not clock[1] then
  redis.call('UNLINK', KEYS[1])
end
if changed or passed > 500 or not clock[1] then
  redis.call('ZUNIONSTORE', KEYS[1], 1, KEYS[1], 'WEIGHTS', 2 ^ -passed)
  start, passed, half_life = now, 0, changed and ARGV[3] or half_life
  redis.call('HSET', KEYS[2], 'start', string.format('%.3f', start), 'half_life', half_life)
end
local unit = 2 ^ passed
local score = redis.call('ZINCRBY', KEYS[1], ARGV[2] * unit, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.17g', ARGV[4] * unit))
local ttl = string.format('%.0f', ARGV[5] * half_life)
redis.call('PEXPIRE', KEYS[1], ttl)
redis.call('PEXPIRE', KEYS[2], ttl)
return string.format('%.17g', score / unit)
