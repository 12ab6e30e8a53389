-- Condemns blobs that nothing refers to, so that their files may be deleted: until they are struck off, no job or model can
-- refer to them, and then only after they were written again.
--
-- ARGV: milliseconds for which a blob must have been without references, most blobs to condemn,
--       number of further digests, which were never referred to, then each
-- Returns {number of the batch, digest of each in it}, or {}. What was not struck off comes first, alone, under a new number:
-- whoever condemned it sees by that, should it still be at it, that it has been taken over.
local patience, most = tonumber(take()), tonumber(take())
local due = redis.call('HKEYS', KEY.condemned)
if #due == 0 then
  due = redis.call('ZRANGEBYSCORE', KEY.unreferenced, '-inf', whole(NOW - patience), 'LIMIT', 0, most)
  for _, digest in ipairs(take_list()) do
    due[#due + 1] = digest
  end
end
local batch
for _, digest in ipairs(due) do
  if redis.call('HEXISTS', KEY.references, digest) == 1 then
    redis.call('ZREM', KEY.unreferenced, digest)
    redis.call('HDEL', KEY.condemned, digest)
  else
    batch = batch or redis.call('INCR', KEY.batch)
    redis.call('HSET', KEY.condemned, digest, batch)
  end
end
return batch and { batch, unpack(redis.call('HKEYS', KEY.condemned)) } or {}
