-- KEYS: board, clock
-- ARGV: last, member
-- RETURNS: members and their decayed scores (as text), best first: up to place last, from 0, or the member alone
local rows
if ARGV[2] == '' then
  rows = redis.call('ZREVRANGE', KEYS[1], 0, ARGV[1], 'WITHSCORES')
else
  rows = { ARGV[2], redis.call('ZSCORE', KEYS[1], ARGV[2]) or nil }
end
local clock = redis.call('HMGET', KEYS[2], 'start', 'half_life')
if not rows[2] or not clock[1] then
  return {}
end
local time = redis.call('TIME')
local unit = 2 ^ ((time[1] * 1000 + time[2] / 1000 - clock[1]) / clock[2])
for i = 2, #rows, 2 do
  rows[i] = string.format('%.17g', rows[i] / unit)
end
return rows
