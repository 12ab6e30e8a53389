-- Writes what an attempt reports: sets fields, refers to blobs, appends events and images.
--
-- ARGV: job id, part, nonce, this write's token: a write that is sent again because its reply was lost is applied once,
--       token of the attempt's previous write: see `follows`,
--       newest batch when the first of its blobs was written, number of blobs that it refers to, then each digest
--       how much of the part is kept or "", 1 if the attempt made progress, which resets the count of deaths,
--       number of the record's fields to set, then for each: field, value
--       number of blobs that the job refers to in addition to those below, then each digest
--       number of blobs that the job refers to no longer, then each digest
--       number of events, then for each: bytes, digest of its blob or ""
--       id of the images' model
--       number of images, then for each: number, cache key or "" if it is not to be reused, event, digest of its blob;
--       images that the job has already are skipped
--       number of candidates, then for each: number of the image, first restart, restarts, digest of its blob
-- Returns {"ok", sequence, cancel, newest batch}, {"refused"}, or {"gone", digest of each blob that is to be written again}.
open_job(take())
local part, nonce, token, before, since = take(), take(), take(), take(), tonumber(take())

local function reply()
  local after = redis.call('HMGET', record, 'sequence', 'cancel')
  return { 'ok', tonumber(after[1]), after[2] or '', tonumber(redis.call('GET', KEY.batch) or 0) }
end

if redis.call('HGET', written, part) == token then
  return reply()
end
local refused = refusal(part, nonce, before, take_list(), since)
if refused then
  return refused
end

redis.call('HSET', written, part, token)
local kept, progressed = take(), take()
if kept ~= '' then
  redis.call('HSET', parts, 'kept:' .. part, kept)
end
if progressed == '1' then
  redis.call('HDEL', parts, 'deaths:' .. part)
end
set_fields(record)
for _, digest in ipairs(take_list()) do
  add_ref(blobs, digest)
end
for _, digest in ipairs(take_list()) do
  drop_ref(blobs, digest)
end
for _ = 1, tonumber(take()) do
  local event, blob = take(), take()
  append(event, blob)
  add_ref(blobs, blob)
end
local model = take()
for _ = 1, tonumber(take()) do
  local number, cache_key, event, blob = take(), take(), take(), take()
  local is_new = add_image(number, event, blob)
  if is_new and cache_key ~= '' and redis.call('EXISTS', key('model', model)) == 1 then -- it may have been deleted meanwhile
    redis.call('HSET', key('cached', model), cache_key, blob)
  end
end
for _ = 1, tonumber(take()) do
  local number, first, restarts, blob = take(), take(), take(), take()
  note_candidate(number, first, restarts, blob)
end
return reply()
