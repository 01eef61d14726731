-- KEYS: tickets, keys...
-- ARGV: order, ties, tiebreak, ticket, rest...
-- RETURNS: per put old rank (-1: dropped), new rank, old score, score (null: not there); or the number of a refused put
-- keys: per window the board, its distinct scores, its stamps. rest: per window when it expires (0: never); then per
-- put the number of its window, member, mode, score, stamp. Ranks are those before and after the whole call.
local desc, ties, first, ticket = ARGV[1] == 'desc', ARGV[2], ARGV[3] == 'first', tonumber(ARGV[4])
local MOST, windows = 9007199254740992, (#KEYS - 1) / 3
local now, begun = first and redis.call('TIME'), {}

local function text(score)
  return score and string.format('%.17g', score)
end

local function stamped(us)
  us = math.max(0, math.min(tonumber(us) or now[1] * 1000000 + now[2], MOST - 1))
  return string.format('%016.0f', desc and MOST - 1 - us or us)
end

local function stored(e)
  return first and e.stamp .. ':' .. e.id or e.id
end

local function rank(e)
  if not e.score then
    return false
  elseif ties == 'ordinal' then
    return redis.call(desc and 'ZREVRANK' or 'ZRANK', e.board, stored(e)) + 1
  end
  local from, to = desc and '(' .. text(e.score) or '-inf', desc and '+inf' or '(' .. text(e.score)
  return redis.call('ZCOUNT', ties == 'dense' and e.distinct or e.board, from, to) + 1
end

local function read(window, id)
  local e = { id = id, window = window }
  e.board, e.distinct, e.stamps = KEYS[3 * window - 1], KEYS[3 * window], KEYS[3 * window + 1]
  e.stamp = first and redis.call('HGET', e.stamps, id)
  local score = (e.stamp or not first) and redis.call('ZSCORE', e.board, stored(e))
  e.score = score and tonumber(score) or nil
  e.old, e.was, e.old_rank = e.score, e.score and stored(e), rank(e)
  local last = ticket > 0 and redis.call('ZSCORE', KEYS[1], id)
  e.is_dropped = last and tonumber(last) > ticket
  return e
end

-- Returns whether the score is refused: a sum that a double does not hold.
local function decide(e, mode, score, stamp)
  if mode == 'best' and e.score and (e.score == score or (e.score > score) == desc) then
    return false
  elseif mode == 'sum' then
    local before, given = e.score or 0, score
    score = before + given
    local is_rounded = score - before ~= given or score - given ~= before
    if math.abs(score) > MOST or (math.abs(score) == MOST and is_rounded) then
      return true
    end
  end
  if first and (stamp ~= '' or score ~= e.score) then
    e.stamp = stamped(stamp)
  end
  e.score = mode ~= 'remove' and score or nil
  return false
end

local function write(e)
  if e.score then
    redis.call('ZADD', e.board, e.score, stored(e))
  end
  if e.was and (not e.score or stored(e) ~= e.was) then
    redis.call('ZREM', e.board, e.was)
  end
  if ties == 'dense' and e.score then
    redis.call('ZADD', e.distinct, e.score, text(e.score))
  end
  if ties == 'dense' and e.old and redis.call('ZCOUNT', e.board, e.old, e.old) == 0 then
    redis.call('ZREM', e.distinct, text(e.old))
  end
  if first then
    redis.call(e.score and 'HSET' or 'HDEL', e.stamps, e.id, e.score and e.stamp or '')
  end
  if ticket > 0 then
    redis.call('ZADD', KEYS[1], ticket, e.id)
  end
  begun[e.window] = begun[e.window] or not e.old
end

local entries, by_name, puts, reply = {}, {}, {}, {}
for i = 5 + windows, #ARGV, 5 do
  local name = ARGV[i] .. ':' .. ARGV[i + 1]
  if not by_name[name] then
    entries[#entries + 1] = read(tonumber(ARGV[i]), ARGV[i + 1])
    by_name[name] = entries[#entries]
  end
  local e = by_name[name]
  puts[#puts + 1] = e
  if not e.is_dropped and decide(e, ARGV[i + 2], tonumber(ARGV[i + 3]), ARGV[i + 4]) then
    return #puts
  end
end
for _, e in ipairs(entries) do
  if not e.is_dropped then
    write(e)
  end
end
for i, e in ipairs(puts) do
  local at = 4 * i
  reply[at - 3] = e.is_dropped and -1 or e.old_rank
  reply[at - 2], reply[at - 1], reply[at] = rank(e), text(e.old) or false, text(e.score) or false
end
for window = 1, windows do
  if begun[window] and ARGV[4 + window] ~= '0' then
    for key = 3 * window - 1, 3 * window + 1 do
      redis.call('PEXPIREAT', KEYS[key], ARGV[4 + window])
    end
  end
end
if ticket > 0 and redis.call('PTTL', KEYS[1]) == -1 then
  redis.call('PEXPIRE', KEYS[1], 600000)
end
return reply
