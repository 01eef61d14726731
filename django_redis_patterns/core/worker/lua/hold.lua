-- KEYS: live
-- ARGV: lease_ms, name...
-- RETURNS: the names that had run out since they were last held

-- The set tells until when each child is alive, in milliseconds of this clock. A lease of 0 is a death certificate: its
-- name stays, for those who take over what it had. Who is not in the set is dead as well, so the set may expire.
local DAY = 86400000
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local lease = tonumber(ARGV[1])
local ends = lease > 0 and string.format('%.0f', now + lease) or '0'
local lapsed = {}

for i = 2, #ARGV do
    local before = redis.call('ZSCORE', KEYS[1], ARGV[i])
    if before and tonumber(before) < now then
        lapsed[#lapsed + 1] = ARGV[i]
    end
    redis.call('ZADD', KEYS[1], ends, ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease + DAY))
return lapsed
