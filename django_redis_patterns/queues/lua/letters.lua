-- KEYS: jobs, past, dead, reasons
-- ARGV: count
-- RETURNS: of each dead letter, the last one first: id, when it died in ms, record, past, reason
local told, found = {}, redis.call('ZREVRANGE', KEYS[3], 0, ARGV[1] - 1, 'WITHSCORES')
for i = 1, #found, 2 do
  local id, n = found[i], #told
  told[n + 1], told[n + 2], told[n + 3] = id, found[i + 1], redis.call('HGET', KEYS[1], id) or ''
  told[n + 4], told[n + 5] = redis.call('HGET', KEYS[2], id) or '', redis.call('HGET', KEYS[4], id) or ''
end
return told
