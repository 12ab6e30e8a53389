-- Condemns blobs that nothing refers to, so that their files may be deleted: until they are struck off, no job or model can
-- refer to them, and then only after they were written again.
--
-- ARGV: milliseconds for which a blob must have been without references, most blobs to condemn,
--       number of further digests, which were never referred to, then each
-- Returns {number of the batch, each digest of it}; the digests of a batch that was not struck off come first, alone.
local patience, most = tonumber(take()), tonumber(take())
local left = redis.call('HGETALL', KEY.condemned)
if #left > 0 then
  local reply = { tonumber(left[2]) }
  for index = 1, #left, 2 do
    reply[#reply + 1] = left[index]
  end
  return reply
end
local due = redis.call('ZRANGEBYSCORE', KEY.unreferenced, '-inf', whole(NOW - patience), 'LIMIT', 0, most)
for _, digest in ipairs(take_list()) do
  due[#due + 1] = digest
end
local reply = { 0 }
for _, digest in ipairs(due) do
  if redis.call('HEXISTS', KEY.references, digest) == 1 then
    redis.call('ZREM', KEY.unreferenced, digest)
  else
    if reply[1] == 0 then
      reply[1] = redis.call('INCR', KEY.batch)
    end
    if redis.call('HSETNX', KEY.condemned, digest, reply[1]) == 1 then
      reply[#reply + 1] = digest
    end
  end
end
return reply
