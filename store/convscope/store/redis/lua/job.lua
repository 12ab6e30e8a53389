-- Shared by the scripts about one job, and prepended to them after the prelude.

local id
-- Keys of the job.
local record, parts, returned, written, events, images, candidates, blobs

-- Sets the job that the functions below work on.
local function open_job(job)
  id = job
  record, parts, returned, written = key('job', id), key('parts', id), key('returned', id), key('written', id)
  events, images, candidates = key('events', id), key('images', id), key('candidates', id)
  blobs = key('job_blobs', id)
end

-- The id of the model that the job trains, '' if it trains none.
local function trained_model()
  return redis.call('HGET', record, 'makes') or ''
end

-- Appends an event after the one with this sequence number and token, and sends it to the watchers; returns its sequence
-- number and token for the record. An empty digest means no blob; `completed` is the number of images so far, for the event
-- of an image. The token, see `link` in events.py, depends on all events before.
local function append_after(sequence, token, event, blob, completed)
  local time = whole(NOW)
  sequence = whole(tonumber(sequence or 0) + 1)
  token = string.sub(redis.sha1hex((token or '') .. time .. ' ' .. event .. blob), 1, 16)
  redis.call('XADD', events, sequence .. '-0',
    'time', time, 'event', event, 'blob', blob, 'token', token, 'completed', completed or 0)
  redis.call('XADD', KEY.notify, 'MAXLEN', '~', 10000, '*', 'job', id, 'sequence', sequence,
    'time', time, 'event', event, 'blob', blob, 'token', token, 'completed', completed or 0)
  return sequence, token
end

-- Appends an event under the next sequence number, and notes that in the record.
local function append(event, blob, completed)
  local before = redis.call('HMGET', record, 'sequence', 'log_token')
  local sequence, token = append_after(before[1], before[2], event, blob, completed)
  redis.call('HSET', record, 'sequence', sequence, 'log_token', token)
end

-- Moves the job from one state to another in the indexes; from none if it is new.
local function index_state(kind, before, state)
  if before then
    redis.call('ZREM', key('jobs_in_state', before), id)
    redis.call('ZREM', key('jobs_of_kind', kind, before), id)
  end
  redis.call('ZADD', key('jobs_in_state', state), 0, id)
  redis.call('ZADD', key('jobs_of_kind', kind, state), 0, id)
end

-- Sets the job's state, in its record and in the indexes.
local function set_state(state)
  local before = redis.call('HMGET', record, 'kind', 'state')
  redis.call('HSET', record, 'state', state)
  index_state(before[1], before[2], state)
end

-- Calls a command on the index of each of the job's labels, among the jobs of its owner.
local function for_labels(command, ...)
  local fields = redis.call('HMGET', record, 'owner', 'labels')
  for name, value in pairs(cjson.decode(fields[2] or '{}')) do
    redis.call(command, key('jobs_labelled', fields[1], name, value), ...)
  end
end

-- Keeps the files of a model as long as the job needs them, and copies the model's description.
local function keep_model(model)
  local needed = redis.call('HMGET', model, 'file', 'history', 'model')
  redis.call('HSET', record, 'model_file', needed[1] or '', 'model_history', needed[2] or '', 'needed', needed[3])
  add_ref(blobs, needed[1] or '')
  add_ref(blobs, needed[2] or '')
end

-- Whether the job is planned: its defaults did not depend on a model that was not trained yet.
local function is_planned()
  return redis.call('HEXISTS', record, 'spec') == 1
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

-- Gives the job an image, with its event, unless it has it already; returns whether the image is new.
local function add_image(number, event, blob)
  if redis.call('HSETNX', images, number, blob) == 0 then
    return false
  end
  add_ref(blobs, blob)
  append(event, blob, redis.call('HLEN', images))
  drop_candidates(number)
  return true
end

-- The ready set -----------------------------------------------------------------------------------------------------------
--
-- A job with parts that are ready is in a sorted set of its priority, device and owner, by its virtual time: the seconds of
-- work that it has had. Owners are in another one by theirs. A new job or owner begins at the virtual time of the one that
-- the same executors served last, so that it neither waits for work that others had before nor makes them wait (start-time
-- fair queueing: Goyal, Vin and Cheng, 1996). Estimates are charged when a part is claimed, and corrected when it ends.

local DEVICES = { 'any', 'cpu', 'gpu' }

-- The job's priority, device and owner, the estimated cost of a part and the work that it has had, both in seconds.
local function class_of_job()
  local fields = redis.call('HMGET', record, 'priority', 'device', 'owner', 'part_cost', 'served')
  return { priority = fields[1], device = fields[2], owner = fields[3],
    cost = tonumber(fields[4]), served = tonumber(fields[5] or 0) }
end

-- Number of parts that are ready.
local function count_ready()
  local counts = redis.call('HMGET', record, 'next', 'parts')
  return tonumber(counts[2]) - tonumber(counts[1]) + redis.call('LLEN', returned)
end

-- Returns the score of an owner with ready jobs of a priority, for any device.
local function present_score(priority, owner)
  for _, device in ipairs(DEVICES) do
    local score = redis.call('ZSCORE', key('ready_owners', priority, device), owner)
    if score then
      return tonumber(score)
    end
  end
end

local function number_in(hash, name)
  return tonumber(redis.call('HGET', hash, name) or 0)
end

-- Where a new owner or job begins: there are clocks for each device, since those of one may be far ahead of those of the
-- other.
local function clock(clocks, device, name)
  local cpu, gpu = number_in(clocks, 'cpu:' .. name), number_in(clocks, 'gpu:' .. name)
  return device == 'any' and math.max(cpu, gpu) or device == 'cpu' and cpu or gpu
end

-- Puts the job into the ready set, unless it is in it.
local function enter_ready(class)
  local jobs = key('ready_jobs', class.priority, class.device, class.owner)
  if redis.call('ZSCORE', jobs, id) then
    return
  end
  local clocks = key('clocks', class.priority)
  local begin = math.max(class.served, clock(clocks, class.device, 'jobs:' .. class.owner))
  redis.call('HSET', record, 'served', begin)
  redis.call('ZADD', jobs, begin, id)
  local served = present_score(class.priority, class.owner)
  if not served then
    served = math.max(number_in(clocks, 'owner:' .. class.owner), clock(clocks, class.device, 'owners'))
    redis.call('HSET', clocks, 'owner:' .. class.owner, served)
  end
  redis.call('ZADD', key('ready_owners', class.priority, class.device), served, class.owner)
end

local function leave_ready(class)
  local jobs = key('ready_jobs', class.priority, class.device, class.owner)
  redis.call('ZREM', jobs, id)
  if redis.call('EXISTS', jobs) == 0 then
    redis.call('ZREM', key('ready_owners', class.priority, class.device), class.owner)
  end
end

-- Adds to the number of ready parts, and to their estimated seconds of work; `count` may be negative.
local function count_offer(class, count)
  local name = class.priority .. ':' .. class.device
  if redis.call('HINCRBY', KEY.backlog, 'parts:' .. name, count) == 0 then
    redis.call('HDEL', KEY.backlog, 'parts:' .. name, 'seconds:' .. name) -- sums of fractions drift
  else
    redis.call('HINCRBYFLOAT', KEY.backlog, 'seconds:' .. name, count * class.cost)
  end
end

-- Takes the job out of the ready set with all of its parts.
local function withdraw()
  local class = class_of_job()
  if redis.call('ZSCORE', key('ready_jobs', class.priority, class.device, class.owner), id) then
    count_offer(class, -count_ready())
    leave_ready(class)
  end
end

-- Moves the job and its owner to the seconds of work that they have had, if they are in the ready set.
local function rank(class, served, of_owner)
  redis.call('ZADD', key('ready_jobs', class.priority, class.device, class.owner), 'XX', served, id)
  for _, device in ipairs(DEVICES) do
    redis.call('ZADD', key('ready_owners', class.priority, device), 'XX', of_owner, class.owner)
  end
end

-- Charges the job and its owner for seconds of work.
local function charge(class, seconds)
  local clocks, served = key('clocks', class.priority), class.served + seconds
  redis.call('HSET', record, 'served', served)
  local of_owner = number_in(clocks, 'owner:' .. class.owner) + seconds
  redis.call('HSET', clocks, 'owner:' .. class.owner, of_owner)
  rank(class, served, of_owner)
end

-- Most waiting executors to search for one that has a model loaded, unless more are woken.
local MOST_SEARCHED = 64

-- Of the executors that began last to wait for parts for a device, `most`, and the device of each: those that have a model's
-- file loaded, and the others; the latest first.
local function waiting_for(device, file, most)
  local warm, cold = {}, {}
  for _, kind in ipairs(device == 'any' and { 'cpu', 'gpu' } or { device }) do
    redis.call('ZREMRANGEBYSCORE', key('waiting', kind), '-inf', whole(NOW))
    for _, worker in ipairs(redis.call('ZREVRANGE', key('waiting', kind), 0, most - 1)) do
      local has = file ~= '' and string.find(redis.call('HGET', KEY.warm, worker) or '', file, 1, true)
      table.insert(has and warm or cold, { worker, kind })
    end
  end
  return warm, cold
end

-- Wakes up to `count` executors that wait for parts for a device, those first that have a model's file loaded; returns by
-- how many there were too few.
local function wake(device, file, count)
  for _, group in ipairs({ waiting_for(device, file, math.max(count, MOST_SEARCHED)) }) do
    for _, executor in ipairs(group) do
      if count == 0 then
        return 0
      end
      local worker, kind = unpack(executor)
      redis.call('ZREM', key('waiting', kind), worker)
      redis.call('RPUSH', key('wake', worker), '1')
      redis.call('EXPIRE', key('wake', worker), 60)
      redis.call('ZADD', key('woken', kind), whole(NOW + 2000), worker)
      count = count - 1
    end
  end
  return count
end

-- Makes parts of the job ready, and wakes executors that wait for some.
local function offer(count)
  local class = class_of_job()
  enter_ready(class)
  count_offer(class, count)
  wake(class.device, redis.call('HGET', record, 'model_file') or '', count)
end

-- How long executors may take to stop after the end of their job, in milliseconds, before they are killed.
local STOP_MS = 10000

-- Ends the attempts that run. Their executors notice when they renew their leases; those that do not stop are killed.
local function end_attempts()
  for _, field in ipairs(redis.call('HKEYS', parts)) do
    local part = string.match(field, '^nonce:(.*)$')
    if part then
      local held = redis.call('HMGET', parts, field, 'holder:' .. part)
      redis.call('ZADD', KEY.outrun, whole(NOW + STOP_MS), held[1] .. '|' .. held[2])
      redis.call('ZREM', KEY.leases, id .. '|' .. part)
    end
  end
end

-- Deletes everything that only an active job needs.
local function retire()
  for _, number in ipairs(redis.call('HKEYS', candidates)) do
    drop_candidates(number)
  end
  end_attempts()
  withdraw()
  redis.call('UNLINK', parts, returned)
  redis.call('ZREM', KEY.cancelling, id)
  redis.call('ZREM', KEY.deadlines, id)
  redis.call('SREM', KEY.unplanned, id)
  redis.call('EXPIRE', written, 3600) -- until no write is sent again any more
  local kept = redis.call('HMGET', record, 'checkpoint', 'checkpoint_before', 'model_file', 'model_history')
  drop_ref(blobs, string.match(kept[1] or '', ':(.*)$') or '') -- no attempt resumes from it any more
  drop_ref(blobs, string.match(kept[2] or '', ':(.*)$') or '')
  drop_ref(blobs, kept[3] or '')
  drop_ref(blobs, kept[4] or '')
end

-- Ends the job; unless it succeeded, the model that it should have trained fails. On success the attempt sets the model.
local function end_job(state, event, blob)
  set_state(state)
  redis.call('HSET', record, 'ended', whole(NOW))
  redis.call('ZADD', KEY.ended, whole(NOW), id)
  append(event, blob)
  add_ref(blobs, blob)
  retire()
  local model = trained_model()
  if model ~= '' then
    if state ~= 'succeeded' then
      redis.call('HSET', key('model', model), 'state', 'failed')
    end
    redis.call('SADD', KEY.unsettled, model) -- jobs may wait for it
  end
end

-- Whether the attempt with a nonce still holds its part of a job that has not ended.
local function holds(part, nonce)
  return redis.call('HGET', parts, 'nonce:' .. part) == nonce and redis.call('HGET', record, 'state') == 'running'
end

-- Whether the attempt's previous write, identified by its token, is known. Redis may have lost its last writes and gone back
-- to a moment after the claim: an attempt that continued then would leave a gap.
local function follows(part, before)
  return before == '' or redis.call('HGET', written, part) == before
end

-- Takes a part from the attempt that holds it; returns how many parts of the job are still running.
local function let_go(part)
  local begun = tonumber(redis.call('HGET', parts, 'begun:' .. part) or NOW)
  local class = class_of_job()
  charge(class, (NOW - begun) / 1000 - class.cost)
  redis.call('HDEL', parts, 'nonce:' .. part, 'holder:' .. part, 'begun:' .. part)
  redis.call('ZREM', KEY.leases, id .. '|' .. part)
  return redis.call('HINCRBY', record, 'running', -1)
end

-- Why an attempt may not write, as the script's reply: {"refused"} if it has lost its part, {"gone", digest of each blob that
-- has to be written again before it may be referred to}, see `is_gone`; nil if it may write.
local function refusal(part, nonce, before, digests, since)
  if not holds(part, nonce) or not follows(part, before) then
    return { 'refused' }
  end
  local gone = {}
  for _, digest in ipairs(digests) do
    if is_gone(digest, since) then
      gone[#gone + 1] = digest
    end
  end
  return #gone > 0 and { 'gone', unpack(gone) } or nil
end
