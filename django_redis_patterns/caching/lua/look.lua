-- KEYS: value, tags...
-- ARGV: -
-- RETURNS: {the value, the nonce of each tag}, ms left of the value
return {redis.call('MGET', unpack(KEYS)), redis.call('PTTL', KEYS[1])}
