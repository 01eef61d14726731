-- KEYS: log, checkpoints, seen, due, tries, lanes, stirred
-- ARGV: group, start, known
-- RETURNS: 1 the group was made, 0 it was there
-- A group that was lost goes on at its checkpoint, kept here or known to a consumer; where the log was lost too, and is
-- younger than that, with whatever it has now. start is for a group that nobody knows.
local clock = redis.call('TIME')
local checkpoint, start = redis.call('HGET', KEYS[2], ARGV[1]) or ARGV[3], ARGV[2]

local function is_less(a, b)
  local ams, aseq = string.match(a, '(%d+)-(%d+)')
  local bms, bseq = string.match(b, '(%d+)-(%d+)')
  if ams ~= bms then
    return tonumber(ams) < tonumber(bms)
  end
  return #aseq < #bseq or (#aseq == #bseq and aseq < bseq)
end

if checkpoint ~= '' then
  local log, newest = redis.pcall('XINFO', 'STREAM', KEYS[1]), '0-0'
  for i = 1, #log, 2 do
    newest = log[i] == 'last-generated-id' and log[i + 1] or newest
  end
  start = is_less(newest, checkpoint) and '0-0' or checkpoint
end
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], start, 'MKSTREAM')
if made.err and string.find(made.err, 'BUSYGROUP', 1, true) then
  return 0
elseif made.err then
  return made
end
redis.call('ZADD', KEYS[3], clock[1] * 1000, ARGV[1])
redis.call('DEL', KEYS[4], KEYS[5], KEYS[6], KEYS[7])
return 1
