-- Writes the record of one key, unless the keys were changed since they were read.
-- KEYS: 1 meta, 2 records; it does not use 3, uses.
-- ARGV: 1 id of the store, 2 version: those that were read, empty if there were none; 3 id of a new store, 4 the time in
-- seconds, 5 the key's id, 6 its record.
-- Answers: done | changed.
local meta = redis.call('HMGET', KEYS[1], 'store_id', 'version')
if (meta[1] or '') ~= ARGV[1] or (meta[2] or '') ~= ARGV[2] then
  return {'changed'}
end
if not meta[1] then
  redis.call('HSET', KEYS[1], 'store_id', ARGV[3], 'enabled_at', ARGV[4])
end
-- tostring() would round a number of this size.
local time = redis.call('TIME')
local version = math.max(time[1] * 1000000 + time[2], tonumber(meta[2] or 0) + 1)
redis.call('HSET', KEYS[1], 'version', string.format('%.0f', version))
redis.call('HSET', KEYS[2], ARGV[5], ARGV[6])
return {'done'}
