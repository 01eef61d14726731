-- KEYS: live, running, jobs
-- ARGV: -
-- RETURNS: of each who has a lease its name, and how many ms of it are left; of each job in hand its id, claim and record
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local live, claims, told = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES'), redis.call('HGETALL', KEYS[2]), {}
for i = 2, #live, 2 do
  live[i] = math.max(0, tonumber(live[i]) - now)
end
for i = 1, #claims, 2 do
  local n = #told
  told[n + 1], told[n + 2], told[n + 3] = claims[i], claims[i + 1], redis.call('HGET', KEYS[3], claims[i]) or ''
end
return { live, told }
