-- Strikes off condemned blobs, whose files are deleted.
--
-- ARGV: number of the batch, how many struck blobs to remember, number of digests, then each
-- Returns nothing of interest.
local batch, most = take(), tonumber(take())
for _, digest in ipairs(take_list()) do
  redis.call('HDEL', KEY.condemned, digest)
  redis.call('ZREM', KEY.unreferenced, digest)
  redis.call('ZADD', KEY.struck, batch, digest)
end
local extra = redis.call('ZCARD', KEY.struck) - most
if extra > 0 then
  local oldest = redis.call('ZRANGE', KEY.struck, extra - 1, extra - 1, 'WITHSCORES')
  redis.call('SET', KEY.struck_floor, oldest[2]) -- whoever wrote before that must write again
  redis.call('ZREMRANGEBYRANK', KEY.struck, 0, extra - 1)
end
return 1
