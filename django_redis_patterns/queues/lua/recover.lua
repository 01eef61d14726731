-- KEYS: running, jobs, past, kills
-- ARGV: name
-- RETURNS: of each claim of name: id, record, past, kills, token
local claims, told = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #claims, 2 do
  local id, name, token = claims[i], string.match(claims[i + 1], '^(%S+) (%S+)')
  if name == ARGV[1] then
    local n = #told
    told[n + 1], told[n + 2] = id, redis.call('HGET', KEYS[2], id) or ''
    told[n + 3], told[n + 4] = redis.call('HGET', KEYS[3], id), redis.call('HGET', KEYS[4], id)
    told[n + 5] = token
  end
end
return told
