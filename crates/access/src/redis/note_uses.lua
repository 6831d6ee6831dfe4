-- Records when keys were used last: not a time before the recorded one, unless that is in the future, as a wrong clock once
-- said, nor one of a key that is unknown or revoked.
-- KEYS: 1 meta, 2 records, 3 uses. ARGV: of each key its id and the time in seconds.
-- Answers: nothing.
local future = tonumber(redis.call('TIME')[1]) + 60
for index = 1, #ARGV, 2 do
  local id, second = ARGV[index], ARGV[index + 1]
  local record = redis.call('HGET', KEYS[2], id)
  local before = tonumber(redis.call('HGET', KEYS[3], id) or 0)
  if record and not cjson.decode(record).revoked_at and (tonumber(second) > before or before > future) then
    redis.call('HSET', KEYS[3], id, second)
  end
end
return {}
