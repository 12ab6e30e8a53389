-- Restores the record of a ready model, with its references, unless there is one or a file may be gone.
--
-- ARGV: model id, newest batch before its files were checked, number of fields, then for each: field, value,
--       number of blobs that it refers to, then each digest
-- Returns 1 if there is a record now, else 0.
local id, since = take(), tonumber(take())
local record = key('model', id)
if redis.call('EXISTS', record) == 1 then
  return 1
end
local fields = {}
for index = 1, 2 * tonumber(take()) do
  fields[index] = take()
end
local digests = take_list()
for _, digest in ipairs(digests) do
  if is_gone(digest, since) then
    return 0
  end
end
redis.call('HSET', record, unpack(fields))
for _, digest in ipairs(digests) do
  add_ref(key('model_blobs', id), digest)
end
redis.call('ZADD', KEY.models, redis.call('HGET', record, 'created'), id)
return 1
