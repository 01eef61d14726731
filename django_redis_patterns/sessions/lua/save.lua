-- KEYS: session
-- ARGV: mode, ttl_ms, set_count, fields...
-- RETURNS: 1 saved, 0 refused: create found the key taken, the others found it gone
-- fields: set_count pairs of name and value, then names to remove. Modes: create, update, replace.
local mode, ttl, pairs_given = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local exists = redis.call('EXISTS', KEYS[1]) == 1
if (mode == 'create') == exists then
  return 0
end
if mode == 'replace' or ttl <= 0 then
  redis.call('UNLINK', KEYS[1])
end
if ttl <= 0 then
  return 1
end
local first_removed = 4 + 2 * pairs_given
for i = 4, first_removed - 1, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
for i = first_removed, #ARGV do
  redis.call('HDEL', KEYS[1], ARGV[i])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
