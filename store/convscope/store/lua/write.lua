-- The one way to change a job that exists: checks that the writer may, sets fields, points to blobs, appends events.
--
-- KEYS: record, event log, notify stream, set of active jobs, blobs of the job, references,
--       and, if the job makes a model: that model's record, blobs of the model
-- ARGV: job id,
--       field that remembers a writer's last write, this write's token or "": a write that is sent again because its
--       reply was lost is done once,
--       number of expectations, then for each: field, allowed values as ",a,b,"   ("" is an absent field)
--       number of the record's fields to set, then for each: field, value
--       number of the model's fields to set, then for each: field, value
--       number of blobs that the job points to besides its events', then each digest
--       number of blobs that the job points to no longer, then each digest
--       number of blobs that the model points to, then each digest
--       then for each event: bytes, digest of its blob or ""
-- Returns {"ok", sequence, cancel}, {"missing"}, or {"refused", field, its value}.
local record, events, notify, active, blobs, references = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local id, memory, token = take(), take(), take()
if token ~= '' and redis.call('HGET', record, memory) == token then
  local done = redis.call('HMGET', record, 'sequence', 'cancel')
  return { 'ok', tonumber(done[1]), done[2] or '' }
end
local fields, allowed = { 'state' }, { false }
for _ = 1, tonumber(take()) do
  fields[#fields + 1], allowed[#allowed + 1] = take(), take()
end
local values = redis.call('HMGET', record, unpack(fields))
if not values[1] then
  return { 'missing' }
end
for number = 2, #fields do
  if not allows(allowed[number], values[number]) then
    return { 'refused', fields[number], values[number] or '' }
  end
end

if token ~= '' then
  redis.call('HSET', record, memory, token)
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
local after = redis.call('HMGET', record, 'sequence', 'cancel', 'ended')
if after[3] then
  redis.call('SREM', active, id)
  for _, checkpoint in ipairs(redis.call('HMGET', record, 'checkpoint', 'checkpoint_before')) do
    unpoint(blobs, references, string.match(checkpoint or '', ':(.*)$') or '') -- nobody goes on from it any more
  end
end
return { 'ok', tonumber(after[1]), after[2] or '' }
