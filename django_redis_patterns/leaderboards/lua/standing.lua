-- KEYS: board, distinct, stamps
-- ARGV: order, ties, tiebreak, member
-- RETURNS: rank, score (as text), how many are better, how many there are; nothing for who is not there
local desc, ties, member = ARGV[1] == 'desc', ARGV[2], ARGV[4]
if ARGV[3] == 'first' then
  local stamp = redis.call('HGET', KEYS[3], member)
  member = stamp and stamp .. ':' .. member or ''
end
local score = redis.call('ZSCORE', KEYS[1], member)
if not score then
  return {}
end
local from, to = desc and '(' .. score or '-inf', desc and '+inf' or '(' .. score
local better = redis.call('ZCOUNT', KEYS[1], from, to)
local rank = better
if ties == 'ordinal' then
  rank = redis.call(desc and 'ZREVRANK' or 'ZRANK', KEYS[1], member)
elseif ties == 'dense' then
  rank = redis.call('ZCOUNT', KEYS[2], from, to)
end
return { rank + 1, score, better, redis.call('ZCARD', KEYS[1]) }
