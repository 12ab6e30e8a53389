-- Shared by the scripts about one job: put in front of each, after the prelude.

local id = take()
local record, parts, written = key('job', id), key('parts', id), key('written', id)
local events, images, candidates = key('events', id), key('images', id), key('candidates', id)
local blobs = key('job_blobs', id)
-- The model that a training makes has the job's id.
local made, made_blobs = key('model', id), key('model_blobs', id)

-- Appends an event under the next sequence number, and carries it to the watchers. An empty digest means no blob;
-- `completed` is the number of images so far, for the event of an image. Its token, `link` in events.py, is a link of a
-- chain: it depends on every event before.
local function append(event, blob, completed)
  local time = whole(NOW)
  local sequence = redis.call('HINCRBY', record, 'sequence', 1)
  local before = redis.call('HGET', record, 'log_token') or ''
  local token = string.sub(redis.sha1hex(before .. time .. ' ' .. event .. blob), 1, 16)
  redis.call('HSET', record, 'log_token', token)
  redis.call('XADD', events, sequence .. '-0',
    'time', time, 'event', event, 'blob', blob, 'token', token, 'completed', completed or 0)
  redis.call('XADD', KEY.notify, 'MAXLEN', '~', 10000, '*', 'job', id, 'sequence', sequence,
    'time', time, 'event', event, 'blob', blob, 'token', token, 'completed', completed or 0)
end

-- Sets the job's state, in its record and in the indexes.
local function set_state(state)
  local before = redis.call('HMGET', record, 'kind', 'state')
  if before[2] then
    redis.call('ZREM', key('jobs_in_state', before[2]), id)
    redis.call('ZREM', key('jobs_of_kind', before[1], before[2]), id)
  end
  redis.call('HSET', record, 'state', state)
  redis.call('ZADD', key('jobs_in_state', state), 0, id)
  redis.call('ZADD', key('jobs_of_kind', before[1], state), 0, id)
end

-- Keeps the file of a model for as long as the job needs it, and notes what else the job needs to know of it.
local function keep_model(model)
  local needed = redis.call('HMGET', model, 'file', 'history', 'model')
  redis.call('HSET', record, 'model_file', needed[1] or '', 'model_history', needed[2] or '', 'needed', needed[3])
  add_ref(blobs, needed[1] or '')
  add_ref(blobs, needed[2] or '')
end

-- Notes the best image of a run of a feature's restarts, which the job refers to until it has the feature's image.
-- Candidates are noted as `candidates.py` reads them: "first restart:restarts:digest ", one after another.
local function note_candidate(number, first, restarts, blob)
  local noted = redis.call('HGET', candidates, number) or ''
  if redis.call('HEXISTS', images, number) == 1 or string.find(' ' .. noted, ' ' .. first .. ':', 1, true) then
    return
  end
  redis.call('HSET', candidates, number, noted .. first .. ':' .. restarts .. ':' .. blob .. ' ')
  add_ref(blobs, blob)
end

local function drop_candidates(number)
  for blob in string.gmatch(redis.call('HGET', candidates, number) or '', '%d+:%d+:(%S*) ') do
    drop_ref(blobs, blob)
  end
  redis.call('HDEL', candidates, number)
end

-- Gives the job an image, with its event, unless it has it already; returns whether it had not.
local function add_image(number, event, blob)
  if redis.call('HSETNX', images, number, blob) == 0 then
    return false
  end
  add_ref(blobs, blob)
  append(event, blob, redis.call('HLEN', images))
  drop_candidates(number)
  return true
end

-- Takes everything away that only an active job needs.
local function retire()
  for _, number in ipairs(redis.call('HKEYS', candidates)) do
    drop_candidates(number)
  end
  for _, number in ipairs(redis.call('HKEYS', parts)) do
    local part = string.match(number, '^nonce:(.*)$')
    if part then
      redis.call('ZREM', KEY.leases, id .. '|' .. part)
    end
  end
  redis.call('UNLINK', parts)
  redis.call('ZREM', KEY.cancelling, id)
  redis.call('EXPIRE', written, 3600) -- until no reply can be lost any more
  local kept = redis.call('HMGET', record, 'checkpoint', 'checkpoint_before', 'model_file', 'model_history')
  drop_ref(blobs, string.match(kept[1] or '', ':(.*)$') or '') -- no attempt resumes from it any more
  drop_ref(blobs, string.match(kept[2] or '', ':(.*)$') or '')
  drop_ref(blobs, kept[3] or '')
  drop_ref(blobs, kept[4] or '')
end

-- Ends the job, and as failed the model that it was to make; success is said by the attempt that brings the model.
local function end_job(state, event, blob)
  set_state(state)
  redis.call('HSET', record, 'ended', whole(NOW))
  redis.call('ZADD', KEY.ended, whole(NOW), id)
  append(event, blob)
  add_ref(blobs, blob)
  retire()
  if (redis.call('HGET', record, 'makes') or '') ~= '' then
    if state ~= 'succeeded' then
      redis.call('HSET', made, 'state', 'failed')
    end
    redis.call('SADD', KEY.unsettled, id) -- jobs may wait for the model
  end
end

-- Whether an attempt, told by its nonce, still holds its part of a job that has not ended.
local function holds(part, nonce)
  return redis.call('HGET', parts, 'nonce:' .. part) == nonce and redis.call('HGET', record, 'state') == 'running'
end

-- Takes a part from the attempt that holds it.
local function let_go(part)
  redis.call('HDEL', parts, 'nonce:' .. part, 'holder:' .. part)
  redis.call('ZREM', KEY.leases, id .. '|' .. part)
  return redis.call('HINCRBY', record, 'running', -1)
end

-- The digests among these that have to be written again before they may be referred to; see `is_gone`.
local function gone_among(digests, since)
  local gone = {}
  for _, digest in ipairs(digests) do
    if is_gone(digest, since) then
      gone[#gone + 1] = digest
    end
  end
  return gone
end

-- Parts of a job that are on a queue at once: the others wait in the record, so that jobs behind it do not wait for them.
local WINDOW = 1

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
