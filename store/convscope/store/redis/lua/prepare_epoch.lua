-- Notes the epoch that is wanted next, before its marker is created in the artifact store.
--
-- ARGV: id and epoch that Redis has, id and epoch that are wanted, token for it,
--       milliseconds for which the note of another process is respected
-- Returns {"refused"} if Redis has another id or epoch, {"busy"} while another process wants something else, or
-- {"ok", token, milliseconds since it was noted}: the token of the first process that wanted the same.
local id, epoch, next_id, next_epoch, token, respected = take(), take(), take(), take(), take(), tonumber(take())
local stored = redis.call('HMGET', KEY.deployment, 'id', 'epoch', 'next_id', 'next_epoch', 'next_token', 'next_since')
if stored[1] ~= id or stored[2] ~= epoch then
  return { 'refused' }
end
local age = stored[5] and math.max(0, NOW - tonumber(stored[6]))
if stored[5] and stored[3] == next_id and stored[4] == next_epoch then
  return { 'ok', stored[5], age }
end
-- A note of a past epoch is a leftover; any other one may be in progress.
if stored[5] and tonumber(stored[4]) > tonumber(epoch) and age < respected then
  return { 'busy' }
end
redis.call('HSET', KEY.deployment, 'next_id', next_id, 'next_epoch', next_epoch, 'next_token', token, 'next_since', whole(NOW))
return { 'ok', token, 0 }
