-- Shared by the scripts about one job: put in front of each, after the prelude.

-- Every such script has these keys first.
local record, parts, written, images, events, notify, active, blobs, references, made, made_blobs, candidates =
  unpack(KEYS, 1, 12)
local JOB_KEYS = 12

-- Parts of a job that are on a queue at once: the others wait in the record, so that jobs behind it do not wait for them.
local WINDOW = 1

-- Fields of a part, `name:part`, are in a hash of their own.
local function home(field)
  return string.find(field, ':', 1, true) and parts or record
end

-- Sets the fields that follow in ARGV, each in the hash that it belongs to.
local function set_job_fields()
  for _ = 1, tonumber(take()) do
    local name, value = take(), take()
    redis.call('HSET', home(name), name, value)
  end
end

-- Notes the best image of a run of a feature's restarts, which the job points to until it has the feature's image.
-- Candidates are noted as `candidates.py` reads them: "first restart:restarts:digest ", one after another.
local function note_candidate(number, first, restarts, blob)
  local noted = redis.call('HGET', candidates, number) or ''
  if redis.call('HEXISTS', images, number) == 1 or string.find(' ' .. noted, ' ' .. first .. ':', 1, true) then
    return
  end
  redis.call('HSET', candidates, number, noted .. first .. ':' .. restarts .. ':' .. blob .. ' ')
  point(blobs, references, blob)
end

local function drop_candidates(number)
  for blob in string.gmatch(redis.call('HGET', candidates, number) or '', '%d+:%d+:(%S*) ') do
    unpoint(blobs, references, blob)
  end
  redis.call('HDEL', candidates, number)
end

-- Gives the job an image, with its event, unless it has it already; returns whether it had not.
local function add_image(id, number, event, blob)
  if redis.call('HSETNX', images, number, blob) == 0 then
    return false
  end
  point(blobs, references, blob)
  append(record, events, notify, id, event, blob, redis.call('HLEN', images))
  drop_candidates(number)
  return true
end

-- Takes everything away that only an active job needs.
local function retire(id)
  for _, number in ipairs(redis.call('HKEYS', candidates)) do
    drop_candidates(number)
  end
  redis.call('SREM', active, id)
  redis.call('DEL', parts)
  redis.call('EXPIRE', written, 3600) -- until no reply can be lost any more
  local kept = redis.call('HMGET', record, 'checkpoint', 'checkpoint_before', 'plan', 'model_file')
  for _, checkpoint in ipairs({ kept[1] or '', kept[2] or '' }) do
    unpoint(blobs, references, string.match(checkpoint, ':(.*)$') or '') -- nobody goes on from it any more
  end
  unpoint(blobs, references, kept[3] or '')
  unpoint(blobs, references, kept[4] or '')
end

-- Ends the job, as a model's if it makes one; success is said by whoever brings the model.
local function end_job(id, state, now, event, blob)
  redis.call('HSET', record, 'state', state, 'ended', now)
  append(record, events, notify, id, event, blob)
  point(blobs, references, blob)
  if state ~= 'succeeded' and (redis.call('HGET', record, 'makes') or '') ~= '' then
    redis.call('HSET', made, 'state', 'failed')
  end
  retire(id)
end

-- Whether an attempt still holds its part of a job that has not ended.
local function holds(part, attempt)
  local held = redis.call('HMGET', parts, 'state:' .. part, 'attempt:' .. part)
  return redis.call('HGET', record, 'state') == 'running' and held[1] == 'running' and held[2] == attempt
end

-- Marks the part that comes next as queued and returns its number, -1 if all have been.
local function queue_next()
  local counts = redis.call('HMGET', record, 'next', 'parts')
  local part = tonumber(counts[1])
  if part >= tonumber(counts[2]) then
    return -1
  end
  redis.call('HSET', record, 'next', part + 1)
  redis.call('HSET', parts, 'state:' .. part, 'queued')
  return part
end

-- Number of parts that are queued and not running.
local function queued_count()
  local counts = redis.call('HMGET', record, 'next', 'done', 'running')
  return tonumber(counts[1]) - tonumber(counts[2]) - tonumber(counts[3])
end
