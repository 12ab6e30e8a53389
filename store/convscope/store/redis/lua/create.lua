-- Creates a job, the model that it is to make, and its first event, unless its request id was used before.
--
-- ARGV: job id, request id or "", id of the model that it makes or "", id of the model that it needs or "",
--       event if it must wait, event if it need not,
--       number of the record's fields, then for each: field, value
--       number of the model's fields, then for each: field, value
--       number of the layout of records
-- Returns {"created", state}, {"exists", job id}, {"taken"} if there is a model of that id, or jobs wait for a deleted one,
-- or {"model", state of the model that it needs or ""}.
open_job(take())
local request, makes, needs = take(), take(), take()
local waiting_event, queued_event = take(), take()
if request ~= '' then
  local made_before = redis.call('GET', key('request', request))
  if made_before then
    return { 'exists', made_before }
  end
end
local before = redis.call('HGET', record, 'state')
if before then -- sent again, because the reply was lost
  return { 'created', before }
end
local made = key('model', makes)
if makes ~= '' and (redis.call('EXISTS', made) == 1 or redis.call('EXISTS', key('waiters', makes)) == 1) then
  return { 'taken' }
end

local state, event = 'queued', queued_event
if needs ~= '' then
  local needed = redis.call('HGET', key('model', needs), 'state')
  if needed == 'pending' then
    state, event = 'waiting', waiting_event
  elseif needed ~= 'ready' then
    return { 'model', needed or '' }
  end
end

set_fields(record)
set_fields(made)
redis.call('HSETNX', KEY.deployment, 'layout', take())
redis.call('HSET', record, 'created', whole(NOW), 'next', 0, 'done', 0, 'running', 0)
redis.call('ZADD', KEY.jobs, 0, id)
set_state(state)
if makes ~= '' then
  redis.call('HSET', made, 'created', whole(NOW))
  redis.call('ZADD', KEY.models, whole(NOW), makes)
end
if state == 'waiting' then
  redis.call('SADD', key('waiters', needs), id)
else
  if needs ~= '' then
    keep_model(key('model', needs))
  end
  offer(tonumber(redis.call('HGET', record, 'parts')))
end
if request ~= '' then
  redis.call('SET', key('request', request), id)
end
append(event, '')
return { 'created', state }
