-- KEYS: old, new
-- ARGV: -
-- RETURNS: 1 renamed, 0 the old session is gone, -1 the new key is taken
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
if redis.call('RENAMENX', KEYS[1], KEYS[2]) == 0 then
  return -1
end
return 1
