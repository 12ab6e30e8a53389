-- Strikes off condemned blobs, whose files are deleted.
--
-- ARGV: number of their batch, how many struck blobs to remember, number of digests, then each
-- Returns how many were taken over, struck off and are referred to again: their files may have been deleted after that.
local batch, most = take(), tonumber(take())
local deleted, in_use = {}, 0
for _, digest in ipairs(take_list()) do
  local holder = redis.call('HGET', KEY.condemned, digest)
  if holder == batch then
    deleted[#deleted + 1] = digest
    redis.call('ZREM', KEY.unreferenced, digest)
  elseif not holder and redis.call('HEXISTS', KEY.references, digest) == 1 then
    in_use = in_use + 1
  elseif not holder then -- struck off by another process: it may have been written again, and deleted after that
    deleted[#deleted + 1] = digest
  end -- else the other process strikes it off when it has deleted the file
end
strike(deleted)
local extra = redis.call('ZCARD', KEY.struck) - most
if extra > 0 then
  local oldest = redis.call('ZRANGE', KEY.struck, extra - 1, extra - 1, 'WITHSCORES')
  redis.call('SET', KEY.struck_floor, oldest[2]) -- blobs written before that must be written again
  redis.call('ZREMRANGEBYRANK', KEY.struck, 0, extra - 1)
end
return in_use
