-- Makes the record of a ready model again, with its references, unless there is one.
--
-- KEYS: record, index, its blobs, references
-- ARGV: id, number of fields, then for each: field, value; digest of its file, digest of its history or ""
-- Returns 1 if it was made, else 0.
local id = take()
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
set_fields(KEYS[1])
point(KEYS[3], KEYS[4], take())
point(KEYS[3], KEYS[4], take())
redis.call('ZADD', KEYS[2], 0, id)
return 1
