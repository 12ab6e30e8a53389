-- Fails a job that runs longer than its timeout.
--
-- ARGV: job id, event of the end, bytes of the failure
-- Returns 1 if the job failed by that, else 0.
open_job(take())
local failed_event, failure = take(), take()
local due = redis.call('ZSCORE', KEY.deadlines, id)
if not due or tonumber(due) > NOW then
  return 0
end
if redis.call('EXISTS', record) == 0 then
  redis.call('ZREM', KEY.deadlines, id)
  return 0
end
redis.call('HSET', record, 'failure', failure)
end_job('failed', failed_event, '')
return 1
