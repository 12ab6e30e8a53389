-- The one way to change a job that exists: checks that the writer may, sets fields, points to blobs, appends events.
--
-- KEYS: record, event log, notify stream, set of active jobs, blobs of the job, references,
--       and, if the job makes a model: that model's record, blobs of the model
-- ARGV: job id,
--       number of expectations, then for each: field, allowed values as ",a,b,"   ("" is an absent field)
--       number of the record's fields to set, then for each: field, value
--       number of the model's fields to set, then for each: field, value
--       number of blobs that the job points to besides its events', then each digest
--       number of blobs that the job points to no longer, then each digest
--       number of blobs that the model points to, then each digest
--       then for each event: bytes, digest of its blob or ""
-- Returns {"ok", sequence, cancel}, {"missing"}, or {"refused", field, its value}.
local record, events, notify, active, blobs, references = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
if redis.call('EXISTS', record) == 0 then
  return { 'missing' }
end

local id = take()
for _ = 1, tonumber(take()) do
  local field, allowed = take(), take()
  local value = redis.call('HGET', record, field) or ''
  if not allows(allowed, value) then
    return { 'refused', field, value }
  end
end
set_fields(record)
set_fields(KEYS[7])
for _ = 1, tonumber(take()) do
  point(blobs, references, take())
end
for _ = 1, tonumber(take()) do
  unpoint(blobs, references, take())
end
for _ = 1, tonumber(take()) do
  point(KEYS[8], references, take())
end
while at <= #ARGV do
  local event, blob = take(), take()
  append(record, events, notify, id, event, blob)
  point(blobs, references, blob)
end
if redis.call('HEXISTS', record, 'ended') == 1 then
  redis.call('SREM', active, id)
end
return { 'ok', tonumber(redis.call('HGET', record, 'sequence')), redis.call('HGET', record, 'cancel') or '' }
