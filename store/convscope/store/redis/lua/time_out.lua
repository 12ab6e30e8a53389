-- Fails a job that runs longer than its timeout. Its executors notice when they renew their leases; those that do not stop
-- are killed.
--
-- ARGV: job id, event of the end, bytes of the failure, milliseconds after which its executors are killed
-- Returns 1 if the job failed by that, else 0.
open_job(take())
local failed_event, failure, grace = take(), take(), tonumber(take())
local due = redis.call('ZSCORE', KEY.deadlines, id)
if not due or tonumber(due) > NOW then
  return 0
end
if redis.call('EXISTS', record) == 0 then
  redis.call('ZREM', KEY.deadlines, id)
  return 0
end
local fields = redis.call('HGETALL', parts)
for index = 1, #fields, 2 do
  local part = string.match(fields[index], '^nonce:(.*)$')
  if part then
    local worker = redis.call('HGET', parts, 'holder:' .. part)
    redis.call('ZADD', KEY.outrun, whole(NOW + grace), fields[index + 1] .. '|' .. worker)
  end
end
redis.call('HSET', record, 'failure', failure)
end_job('failed', failed_event, '')
return 1
