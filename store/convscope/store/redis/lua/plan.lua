-- Queues a job that waited for its model to be planned, or fails it because it does not fit the model.
--
-- ARGV: job id, event if it is queued, event if it fails and bytes of the failure, both "" if it is queued,
--       number of the record's fields, then for each: field, value
--       number of fields of the model that it trains, then for each: field, value
-- Returns 1 if that is done, 0 if the job was planned before or has ended.
open_job(take())
local queued_event, failed_event, failure = take(), take(), take()
if redis.call('SREM', KEY.unplanned, id) == 0 or redis.call('HGET', record, 'state') ~= 'waiting' then
  return 0
end
if failure ~= '' then
  redis.call('HSET', record, 'failure', failure)
  end_job('failed', failed_event, '')
  return 1
end
set_fields(record)
set_fields(key('model', trained_model()))
set_state('queued')
append(queued_event, '')
offer(count_ready())
return 1
