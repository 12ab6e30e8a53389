-- Changes a job that exists: checks that the writer may, sets fields, points to blobs, appends events and images.
--
-- KEYS: those of the job, record of the model that it needs, images known of that model
-- ARGV: job id,
--       the writer's part, this write's token or "": a write that is sent again because its reply was lost is done once,
--       number of expectations, then for each: field, allowed values as ",a,b,"   ("" is an absent field)
--       number of the record's fields to set, then for each: field, value
--       number of fields to set of the model that the job makes, then for each: field, value
--       number of blobs that the job points to besides its events', then each digest
--       number of blobs that the job points to no longer, then each digest
--       number of events, then for each: bytes, digest of its blob or ""
--       number of images, then for each: number, name or "" if it is not to be known, event, digest of its blob; those
--       that are there already are left out
--       number of candidates, then for each: number of the image, first restart, restarts, digest of its blob
-- Returns {"ok", sequence, cancel}, {"missing"}, or {"refused", field, its value}.
local id, part, token = take(), take(), take()
if token ~= '' and redis.call('HGET', written, part) == token then
  local done = redis.call('HMGET', record, 'sequence', 'cancel')
  return { 'ok', tonumber(done[1]), done[2] or '' }
end
if redis.call('EXISTS', record) == 0 then
  return { 'missing' }
end
for _ = 1, tonumber(take()) do
  local field, allowed = take(), take()
  local value = redis.call('HGET', home(field), field)
  if not allows(allowed, value) then
    return { 'refused', field, value or '' }
  end
end

if token ~= '' then
  redis.call('HSET', written, part, token)
end
set_job_fields()
set_fields(made)
for _ = 1, tonumber(take()) do
  point(blobs, references, take())
end
for _ = 1, tonumber(take()) do
  unpoint(blobs, references, take())
end
for _ = 1, tonumber(take()) do
  local event, blob = take(), take()
  append(record, events, notify, id, event, blob)
  point(blobs, references, blob)
end
local needed, known = KEYS[JOB_KEYS + 1], KEYS[JOB_KEYS + 2]
for _ = 1, tonumber(take()) do
  local number, name, event, blob = take(), take(), take(), take()
  local first = add_image(id, number, event, blob)
  if first and name ~= '' and redis.call('EXISTS', needed) == 1 then -- it may have been deleted meanwhile
    redis.call('HSET', known, name, blob)
  end
end
for _ = 1, tonumber(take()) do
  local number, first, restarts, blob = take(), take(), take(), take()
  note_candidate(number, first, restarts, blob)
end
local after = redis.call('HMGET', record, 'sequence', 'cancel', 'ended')
if after[3] then
  retire(id)
end
return { 'ok', tonumber(after[1]), after[2] or '' }
