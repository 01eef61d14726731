-- KEYS: stats
-- ARGV: life_ms, fields_and_counts...
-- RETURNS: 1
for i = 2, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
