-- Condemns blobs that nothing refers to, so that their files may be deleted: until they are struck off, no job or model can
-- refer to them, and after that only if they were written again.
--
-- ARGV: how long a blob must have been without references in milliseconds, most blobs to condemn,
--       number of further digests, which were never referred to, then each
-- Returns {number of the batch, digest of each in it}, or {}. Blobs that were not struck off come first, alone, under a new
-- number, which shows the process that condemned them, if it is still running, that they have been taken over.
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
