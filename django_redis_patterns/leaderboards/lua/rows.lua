-- KEYS: board, distinct, stamps
-- ARGV: order, ties, tiebreak, from, to, member
-- RETURNS: members and scores, then place and rank of the first; nothing when there is no row
-- from, to: places counted from the best, which is 0, or from the member unless that is empty.
local desc, ties, member = ARGV[1] == 'desc', ARGV[2], ARGV[6]
local from, to = tonumber(ARGV[4]), tonumber(ARGV[5])
if member ~= '' then
  if ARGV[3] == 'first' then
    member = (redis.call('HGET', KEYS[3], member) or '') .. ':' .. member
  end
  local place = redis.call(desc and 'ZREVRANK' or 'ZRANK', KEYS[1], member)
  if not place then
    return {}
  end
  from, to = math.max(from + place, 0), to + place
end
local rows = redis.call(desc and 'ZREVRANGE' or 'ZRANGE', KEYS[1], from, to, 'WITHSCORES')
if #rows == 0 then
  return {}
end
local rank = from
if ties ~= 'ordinal' then
  local from_score, to_score = desc and '(' .. rows[2] or '-inf', desc and '+inf' or '(' .. rows[2]
  rank = redis.call('ZCOUNT', ties == 'dense' and KEYS[2] or KEYS[1], from_score, to_score)
end
rows[#rows + 1], rows[#rows + 2] = from + 1, rank + 1
return rows
