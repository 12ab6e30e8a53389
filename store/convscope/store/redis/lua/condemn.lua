-- Condemns blobs that nothing refers to, so that their files may be deleted: until they are struck off, no job or model can
-- refer to them, and then only after they were written again.
--
-- ARGV: milliseconds for which a blob must have been without references, most blobs to condemn,
--       number of further digests, which were never referred to, then each
-- Returns the digests of the batch; those of one that was not struck off come first, alone.
local patience, most = tonumber(take()), tonumber(take())
local left = redis.call('HKEYS', KEY.condemned)
if #left > 0 then
  return left
end
local due = redis.call('ZRANGEBYSCORE', KEY.unreferenced, '-inf', whole(NOW - patience), 'LIMIT', 0, most)
for _, digest in ipairs(take_list()) do
  due[#due + 1] = digest
end
local batch, condemned
for _, digest in ipairs(due) do
  if redis.call('HEXISTS', KEY.references, digest) == 1 then
    redis.call('ZREM', KEY.unreferenced, digest)
  else
    batch = batch or redis.call('INCR', KEY.batch)
    redis.call('HSET', KEY.condemned, digest, batch)
  end
end
return redis.call('HKEYS', KEY.condemned)
