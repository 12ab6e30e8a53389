-- Enters the epoch that was noted, once its marker is in the artifact store.
--
-- ARGV: id, epoch, token, number of further fields to set, then for each: field, value
-- Returns 1 if Redis is in this epoch now, else 0.
local id, epoch, token = take(), take(), take()
local now = redis.call('HMGET', KEY.deployment, 'id', 'epoch', 'next_id', 'next_epoch', 'next_token')
if now[1] == id and now[2] == epoch and not now[5] then
  return 1 -- another process was faster
end
if now[3] ~= id or now[4] ~= epoch or now[5] ~= token then
  return 0
end
redis.call('HSET', KEY.deployment, 'id', id, 'epoch', epoch)
set_fields(KEY.deployment)
redis.call('HDEL', KEY.deployment, 'next_id', 'next_epoch', 'next_token', 'next_since')
return 1
