-- KEYS: log, seen
-- ARGV: retention_ms, abandoned_ms, most
-- RETURNS: how many entries were dropped, and the groups that were not asked
-- Nothing younger than the retention goes, nor what a group has not acknowledged that was seen within abandoned_ms.
-- Whole nodes of the log go first, about most entries at a time; the rest of one goes when no whole one does.
local log, clock = KEYS[1], redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local cut, ignored = string.format('%.0f-0', math.max(now - ARGV[1], 0)), {}

local function is_less(a, b)
  local ams, aseq = string.match(a, '(%d+)-(%d+)')
  local bms, bseq = string.match(b, '(%d+)-(%d+)')
  if ams ~= bms then
    return tonumber(ams) < tonumber(bms)
  end
  return #aseq < #bseq or (#aseq == #bseq and aseq < bseq)
end

if redis.call('EXISTS', log) == 0 then
  return { 0 }
end
for _, group in ipairs(redis.call('XINFO', 'GROUPS', log)) do
  local name = group[2]
  redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', now), name)
  if tonumber(redis.call('ZSCORE', KEYS[2], name)) < now - ARGV[2] then
    ignored[#ignored + 1] = name
  else
    local held = group[6] > 0 and redis.call('XPENDING', log, name)[2] or group[8]
    cut = is_less(held, cut) and held or cut
  end
end
local dropped = redis.call('XTRIM', log, 'MINID', '~', cut, 'LIMIT', ARGV[3])
if dropped == 0 then
  dropped = redis.call('XTRIM', log, 'MINID', '=', cut)
end
return { dropped, unpack(ignored) }
