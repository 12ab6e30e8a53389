-- Renews the lease of an attempt that still holds its part.
--
-- KEYS: record, lease
-- ARGV: part, attempt, milliseconds of the lease
-- Returns {1, cancel}, or {0, ""} if the attempt is over.
local record = KEYS[1]
local part, attempt, lease_ms = take(), take(), take()
if redis.call('HGET', record, 'state') ~= 'running' or redis.call('HGET', record, 'attempt:' .. part) ~= attempt then
  return { 0, '' }
end
redis.call('SET', KEYS[2], attempt, 'PX', lease_ms)
return { 1, redis.call('HGET', record, 'cancel') or '' }
