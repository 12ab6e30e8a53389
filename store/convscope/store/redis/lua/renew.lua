-- Renews the lease of an attempt that still holds its part.
--
-- ARGV: job id, part, nonce, milliseconds of the lease
-- Returns {1, cancel}, or {0, ""} if the attempt is over.
open_job(take())
local part, nonce, lease_ms = take(), take(), tonumber(take())
if not holds(part, nonce) then
  return { 0, '' }
end
redis.call('ZADD', KEY.leases, whole(NOW + lease_ms), id .. '|' .. part)
return { 1, redis.call('HGET', record, 'cancel') or '' }
