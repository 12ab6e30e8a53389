-- Renews the lease of an attempt that still holds its part.
--
-- KEYS: those of the job, lease
-- ARGV: part, attempt, milliseconds of the lease
-- Returns {1, cancel}, or {0, ""} if the attempt is over.
local part, attempt, lease_ms = take(), take(), take()
if not holds(part, attempt) then
  return { 0, '' }
end
redis.call('SET', KEYS[JOB_KEYS + 1], attempt, 'PX', lease_ms)
return { 1, redis.call('HGET', record, 'cancel') or '' }
