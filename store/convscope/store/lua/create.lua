-- Creates a job, the model that it is to make, and its first event, unless its request id was used before.
--
-- KEYS: request, record, event log, notify stream, index of jobs,
--       record of the model that it makes, index of models,
--       record of the model that it needs, set of the jobs that wait for that model
-- ARGV: job id, request id or "", id of the model that it makes or "", id of the model that it needs or "",
--       state and event if it must wait, state and event if it need not,
--       number of the record's fields, then for each: field, value
--       number of the model's fields, then for each: field, value
-- Returns {"created", state}, {"exists", job id}, or {"model", state of the model that it needs or ""}.
local id, request, makes, needs = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
if request ~= '' then
  local known = redis.call('GET', KEYS[1])
  if known then
    return { 'exists', known }
  end
end

local state, event = ARGV[7], ARGV[8]
if needs ~= '' then
  local needed = redis.call('HGET', KEYS[8], 'state')
  if needed == 'pending' then
    state, event = ARGV[5], ARGV[6]
    redis.call('SADD', KEYS[9], id)
  elseif needed ~= 'ready' then
    return { 'model', needed or '' }
  end
end

local at = 9
local function set(key)
  local count = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, count do
    redis.call('HSET', key, ARGV[at], ARGV[at + 1])
    at = at + 2
  end
end
set(KEYS[2])
if makes ~= '' then
  set(KEYS[6])
  redis.call('ZADD', KEYS[7], 0, makes)
end
redis.call('HSET', KEYS[2], 'state', state, 'sequence', 1)
redis.call('ZADD', KEYS[5], 0, id)
if request ~= '' then
  redis.call('SET', KEYS[1], id)
end
redis.call('XADD', KEYS[3], '1-0', 'event', event, 'blob', '')
redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'job', id, 'sequence', 1, 'event', event, 'blob', '')
return { 'created', state }
