-- KEYS: anchor
-- ARGV: channel, moment, life_ms
-- RETURNS: 1 if all is there that was at the last beat; 0 if the database was emptied since, or there was none
-- What the node said before has been heard when the beat is. It writes only when it must: a full Redis is alive, too.
local kept = redis.call('PEXPIRE', KEYS[1], ARGV[3])
if kept == 0 then redis.pcall('SET', KEYS[1], '1', 'PX', ARGV[3]) end
redis.call('PUBLISH', ARGV[1], kept .. ' ' .. ARGV[2])
return kept
