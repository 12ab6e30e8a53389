-- Queues a job that waited for its model, has it planned first where it is not, or fails it, now that the model's training has ended or the model is deleted.
--
-- ARGV: job id, id of the model, event if it goes on,
--       event if it fails and failure if the model was not made, both if the model was deleted
-- Returns {"queued"}, {"unplanned"}, {"failed", 1 if it was to make a model itself}, or {} if it does not wait, or still must.
open_job(take())
local model = take()
local queued_event = take()
local failures = { not_made = { take(), take() }, deleted = { take(), take() } }
local state = redis.call('HGET', key('model', model), 'state')
if state == 'pending' then
  return {}
end
redis.call('SREM', key('waiters', model), id)
if redis.call('HGET', record, 'state') ~= 'waiting' then
  return {}
end
if state == 'ready' then
  keep_model(key('model', model))
  if not is_planned() then
    redis.call('SADD', KEY.unplanned, id)
    return { 'unplanned' }
  end
  set_state('queued')
  append(queued_event, '')
  offer(count_ready())
  return { 'queued' }
end
local event, failure = unpack(state and failures.not_made or failures.deleted)
redis.call('HSET', record, 'failure', failure)
end_job('failed', event, '')
return { 'failed', redis.call('HGET', record, 'makes') ~= '' and 1 or 0 }
