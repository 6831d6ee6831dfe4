-- Reads the records of all keys, if they are not those that were seen.
-- KEYS: 1 meta, 2 records; it does not use 3, uses. ARGV: 1 id of the store, 2 version: those that were seen, or empty.
-- Answers: never | same, store, version | all, store, version, and of each key its id and its record.
local meta = redis.call('HMGET', KEYS[1], 'store_id', 'version')
if not meta[1] or not meta[2] then
  -- Records without an id are what an eviction leaves: not a store that never had a key.
  if meta[1] or meta[2] or redis.call('EXISTS', KEYS[2]) == 1 then
    return redis.error_reply('ERR the keys are damaged')
  end
  return {'never'}
end
if meta[1] == ARGV[1] and meta[2] == ARGV[2] then
  return {'same', meta[1], meta[2]}
end
local answer = redis.call('HGETALL', KEYS[2])
table.insert(answer, 1, meta[2])
table.insert(answer, 1, meta[1])
table.insert(answer, 1, 'all')
return answer
