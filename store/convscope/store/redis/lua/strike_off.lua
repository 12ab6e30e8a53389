-- Strikes off condemned blobs, whose files are deleted.
--
-- ARGV: how many struck blobs to remember, number of digests, then each
-- Returns nothing of interest.
local most = tonumber(take())
local digests = take_list()
strike(digests)
for _, digest in ipairs(digests) do
  redis.call('ZREM', KEY.unreferenced, digest)
end
local extra = redis.call('ZCARD', KEY.struck) - most
if extra > 0 then
  local oldest = redis.call('ZRANGE', KEY.struck, extra - 1, extra - 1, 'WITHSCORES')
  redis.call('SET', KEY.struck_floor, oldest[2]) -- whoever wrote before that must write again
  redis.call('ZREMRANGEBYRANK', KEY.struck, 0, extra - 1)
end
return 1
