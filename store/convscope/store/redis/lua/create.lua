-- Creates a job, the model that it will train, and its first event, unless its request id was used before.
--
-- ARGV: job id, request id or "", its owner, id of the model that it trains or "", id of the model that it needs or "",
--       event if it must wait, event if it need not,
--       number of the record's fields, then for each: field, value
--       number of the model's fields, then for each: field, value
--       number of the layout of records
-- Returns {"created", state}, {"exists", job id}, {"taken"} if the model's id is used, or jobs wait for a deleted one,
-- or {"model", state of the model that it needs or ""}.
open_job(take())
local request, owner, makes, needs = take(), take(), take(), take()
local waiting_event, queued_event = take(), take()
if request ~= '' then
  local existing = redis.call('GET', key('request', owner, request))
  if existing then
    return { 'exists', existing }
  end
end
local before = redis.call('HGET', record, 'state')
if before then -- sent again, because the reply was lost
  return { 'created', before }
end
local new_model = key('model', makes)
if makes ~= '' and (redis.call('EXISTS', new_model) == 1 or redis.call('EXISTS', key('waiters', makes)) == 1) then
  return { 'taken' }
end

local needed = needs ~= '' and redis.call('HGET', key('model', needs), 'state')
if needs ~= '' and needed ~= 'pending' and needed ~= 'ready' then
  return { 'model', needed or '' }
end

set_fields(record)
set_fields(new_model)
local state, event = 'queued', queued_event
if needed == 'pending' or not is_planned() then
  state, event = 'waiting', waiting_event
end
redis.call('HSETNX', KEY.deployment, 'layout', take())
redis.call('HSET', record, 'created', whole(NOW), 'next', 0, 'done', 0, 'running', 0)
redis.call('ZADD', KEY.jobs, 0, id)
for_labels('ZADD', 0, id)
set_state(state)
if makes ~= '' then
  redis.call('HSET', new_model, 'created', whole(NOW))
  redis.call('ZADD', KEY.models, whole(NOW), makes)
end
if needed == 'pending' then
  redis.call('SADD', key('waiters', needs), id)
elseif needed then
  keep_model(key('model', needs))
end
if state == 'queued' then
  offer(tonumber(redis.call('HGET', record, 'parts')))
elseif needed == 'ready' then -- its training has just ended
  redis.call('SADD', KEY.unplanned, id)
end
if request ~= '' then
  redis.call('SET', key('request', owner, request), id)
end
append(event, '')
return { 'created', state }
