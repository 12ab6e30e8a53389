-- Notes the epoch that is wanted next, before its marker is made in the artifact store.
--
-- ARGV: id and epoch that Redis has, id and epoch that are wanted, token for it,
--       milliseconds for which what another process has noted is respected
-- Returns {"refused"} if Redis has another id or epoch, {"busy"} while another process wants something else, or
-- {"ok", token, milliseconds since it was noted}: the token of the process that was first to want the same.
local id, epoch, next_id, next_epoch, token, respected = take(), take(), take(), take(), take(), tonumber(take())
local found = redis.call('HMGET', KEY.deployment, 'id', 'epoch', 'next_id', 'next_epoch', 'next_token', 'next_since')
if found[1] ~= id or found[2] ~= epoch then
  return { 'refused' }
end
local age = found[5] and math.max(0, NOW - tonumber(found[6]))
if found[5] and found[3] == next_id and found[4] == next_epoch then
  return { 'ok', found[5], age }
end
-- One for an epoch that has passed is a leftover; any other one may be under way.
if found[5] and tonumber(found[4]) > tonumber(epoch) and age < respected then
  return { 'busy' }
end
redis.call('HSET', KEY.deployment, 'next_id', next_id, 'next_epoch', next_epoch, 'next_token', token, 'next_since', whole(NOW))
return { 'ok', token, 0 }
