-- The one way to change a job: checks that the writer may, sets fields of the record, appends events.
--
-- KEYS: record, event log, notify stream, and, if the job makes a model, that model's record
-- ARGV: job id,
--       number of expectations, then for each: field, allowed values as ",a,b,"   ("" is an absent field)
--       number of the record's fields to set, then for each: field, value
--       number of the model's fields to set, then for each: field, value
--       then for each event: bytes, digest of its blob or ""
-- Returns {"ok", sequence, cancel}, {"missing"}, or {"refused", field, its value}.
local record, events, notify, model = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('EXISTS', record) == 0 then
  return { 'missing' }
end

local at = 2
local function take()
  at = at + 1
  return ARGV[at - 1]
end

for _ = 1, tonumber(take()) do
  local field, allowed = take(), take()
  local value = redis.call('HGET', record, field) or ''
  if not string.find(allowed, ',' .. value .. ',', 1, true) then
    return { 'refused', field, value }
  end
end
for _ = 1, tonumber(take()) do
  redis.call('HSET', record, take(), take())
end
for _ = 1, tonumber(take()) do
  redis.call('HSET', model, take(), take())
end
while at <= #ARGV do
  local event, blob = take(), take()
  local sequence = redis.call('HINCRBY', record, 'sequence', 1)
  redis.call('XADD', events, sequence .. '-0', 'event', event, 'blob', blob)
  redis.call('XADD', notify, 'MAXLEN', '~', 10000, '*',
    'job', ARGV[1], 'sequence', sequence, 'event', event, 'blob', blob)
end
return { 'ok', tonumber(redis.call('HGET', record, 'sequence')), redis.call('HGET', record, 'cancel') or '' }
