-- Claims the next part for an executor, and begins an attempt at it: notes its number, its nonce, without which every write
-- is refused, and its lease, appends an event, and returns everything that the executor needs. If no part is ready, the
-- executor is noted as waiting in the same step, so that it misses nothing.
--
-- ARGV: worker, device, nonce, milliseconds of the lease, milliseconds for which the executor will wait or 0,
--       id of the job that it computed last or "", digests of the files of the models that it has loaded, as one text,
--       seconds of work by which a job may be ahead of the others,
--       the start of the attempt for the event, without its fields part, attempt, step and image_count
-- `STARTED`, which scripts.py prepends, has the numbers of these fields, and of the event's field that holds the start.
-- Returns {} if no part is ready; else {job id, part, attempt, how much of the part is kept, newest batch, then the values of
-- the record's fields that `CLAIMED` in scripts.py names}.
local worker, device, nonce, lease_ms, wait_ms = take(), take(), take(), tonumber(take()), tonumber(take())
local last, loaded, slack, start = take(), take(), tonumber(take()), take()

-- Most jobs to search for one whose model is loaded.
local LOOK = 16

-- Number of the fields that an executor needs, which are read first.
local NEEDED = 11

-- Opens a job; returns what decides its place in the ready set, with other values of its record, and the fields as read.
local function read_job(job)
  open_job(job)
  local fields = redis.call('HMGET', record, 'parts', 'part_seconds', 'planning', 'spec', 'makes', 'needs', 'needed',
    'model_file', 'model_history', 'checkpoint', 'checkpoint_before',
    'priority', 'device', 'owner', 'part_cost', 'served', 'next', 'running',
    'kind', 'state', 'started', 'timeout', 'sequence', 'log_token')
  return {
    parts = tonumber(fields[1]), checkpoint = fields[10],
    priority = fields[12], device = fields[13], owner = fields[14],
    cost = tonumber(fields[15]), served = tonumber(fields[16] or 0),
    next = tonumber(fields[17]), running = tonumber(fields[18]),
    kind = fields[19], state = fields[20], started = fields[21], timeout = fields[22],
    sequence = fields[23], log_token = fields[24],
  }, fields
end

local function reply(fields, part, attempt, kept)
  local batch = tonumber(redis.call('GET', KEY.batch) or 0)
  return { id, tonumber(part), attempt, kept, batch, unpack(fields, 1, NEEDED) }
end

-- The number of attempts at a part so far, and how much of it is kept.
local function tried(part)
  local counts = redis.call('HMGET', parts, 'attempt:' .. part, 'kept:' .. part)
  return tonumber(counts[1] or 0), tonumber(counts[2] or 0)
end

-- The first of the sorted sets with this name, for any device and the executor's; returns member, score, device.
local function first(name, priority, owner)
  local member, score, where
  for _, kind in ipairs({ device, 'any' }) do
    local lowest = redis.call('ZRANGE', key(name, priority, kind, owner), 0, 0, 'WITHSCORES')
    if lowest[1] and (not score or tonumber(lowest[2]) < score) then
      member, score, where = lowest[1], tonumber(lowest[2]), kind
    end
  end
  return member, score, where
end

local function is_new(job)
  return redis.call('HGET', key('job', job), 'started') == false
end

-- The job that the executor computed last, if it is of this priority, ready, and not too far ahead.
local function last_job(priority, least)
  if last == '' then
    return
  end
  local fields = redis.call('HMGET', key('job', last), 'priority', 'device', 'owner')
  if fields[1] ~= priority or (fields[2] ~= 'any' and fields[2] ~= device) then
    return
  end
  local served = redis.call('ZSCORE', key('ready_jobs', priority, fields[2], fields[3]), last)
  local owner = redis.call('ZSCORE', key('ready_owners', priority, fields[2]), fields[3])
  local _, ahead_of = first('ready_jobs', priority, fields[3])
  if served and tonumber(served) <= ahead_of + slack and tonumber(owner) <= least + slack then
    return last
  end
end

-- The first job of an owner, within the slack, whose model is loaded.
local function loaded_job(priority, owner, least)
  if loaded == '' then
    return
  end
  for _, kind in ipairs({ device, 'any' }) do
    local jobs = key('ready_jobs', priority, kind, owner)
    for _, job in ipairs(redis.call('ZRANGEBYSCORE', jobs, '-inf', least + slack, 'LIMIT', 0, LOOK)) do
      local file = redis.call('HGET', key('job', job), 'model_file') or ''
      if file ~= '' and string.find(loaded, file, 1, true) then
        return job
      end
    end
  end
end

-- The next job, and whether it is preferred as a newcomer. The slack does not delay a job that has not started, but of two
-- such jobs in a row the second is not preferred to an older job, which could otherwise wait forever.
local function choose(priority)
  local owner, least = first('ready_owners', priority, '')
  if not owner then
    return
  end
  local job, behind = first('ready_jobs', priority, owner)
  local warm = last_job(priority, least) or loaded_job(priority, owner, behind)
  if warm and warm ~= job and is_new(job) and redis.call('HGET', key('clocks', priority), device .. ':newcomer') ~= '1' then
    return job, true
  end
  return warm or job, false
end

-- Takes a part of the job, and charges the job and its owner for it; returns the part, and whether another attempt released
-- it. Changes of the record are made in `job` only.
local function take_part(job, newcomer)
  local part, left = redis.call('LPOP', returned), 0
  local is_returned = part ~= false
  if is_returned then
    left = redis.call('LLEN', returned)
  else
    part = whole(job.next)
    job.next = job.next + 1
  end
  left = left + job.parts - job.next
  count_offer(job, -1)
  local clocks, of_job, of_owner = key('clocks', job.priority), device .. ':jobs:' .. job.owner, 'owner:' .. job.owner
  local before = redis.call('HMGET', clocks, of_owner, device .. ':newcomer')
  local owner_served = tonumber(before[1] or 0)
  redis.call('HSET', clocks, of_job, job.served, device .. ':owners', owner_served, of_owner, owner_served + job.cost)
  if newcomer then
    redis.call('HSET', clocks, device .. ':newcomer', '1')
  elseif before[2] then
    redis.call('HDEL', clocks, device .. ':newcomer')
  end
  job.served = job.served + job.cost
  rank(job, job.served, owner_served + job.cost)
  if left == 0 then
    leave_ready(job)
  end
  return part, is_returned
end

-- Appends the event of an attempt's start; returns the number and the token of the event.
local function append_start(job, part, attempt, kept)
  local started = start .. number_field(STARTED.part, tonumber(part)) .. number_field(STARTED.attempt, attempt)
  if job.kind == 'train' then
    started = started .. number_field(STARTED.step, tonumber(string.match(job.checkpoint or '', '^(%d+):') or 0))
  else
    started = started .. number_field(STARTED.image_count, kept)
  end
  return append_after(job.sequence, job.log_token, message_field(STARTED.event, started), '')
end

local function begin_attempt(job, part, is_returned)
  local before, kept = 0, 0
  if is_returned then
    before, kept = tried(part)
  end
  local attempt = before + 1
  redis.call('HSET', parts, 'attempt:' .. part, attempt, 'nonce:' .. part, nonce, 'holder:' .. part, worker,
    'begun:' .. part, whole(NOW))
  redis.call('HSET', written, part, nonce .. '.0')
  redis.call('ZADD', KEY.leases, whole(NOW + lease_ms), id .. '|' .. part)
  redis.call('HSET', KEY.holders, worker, id .. '|' .. part .. '|' .. nonce)
  if job.state ~= 'running' then
    index_state(job.kind, job.state, 'running')
  end
  if not job.started and job.timeout then
    redis.call('ZADD', KEY.deadlines, whole(NOW + tonumber(job.timeout)), id)
  end
  local sequence, token = append_start(job, part, attempt, kept)
  redis.call('HSET', record, 'next', job.next, 'served', job.served, 'running', job.running + 1, 'state', 'running',
    'started', job.started or whole(NOW), 'sequence', sequence, 'log_token', token)
  return attempt, kept
end

redis.call('ZREM', key('waiting', device), worker)
redis.call('ZREM', key('woken', device), worker)
local held, part = string.match(redis.call('HGET', KEY.holders, worker) or '', '^(.*)|(.*)|' .. nonce .. '$')
if held then -- sent again, because the reply was lost
  local _, fields = read_job(held)
  return holds(part, nonce) and reply(fields, part, tried(part)) or {}
end
for _, priority in ipairs({ 'high', 'normal', 'low' }) do
  local next_job, newcomer = choose(priority)
  if next_job then
    local job, fields = read_job(next_job)
    local is_returned
    part, is_returned = take_part(job, newcomer)
    return reply(fields, part, begin_attempt(job, part, is_returned))
  end
end
redis.call('HDEL', KEY.holders, worker) -- its previous attempt is over, and no longer a reason to kill it
if wait_ms > 0 then
  redis.call('ZADD', key('waiting', device), whole(NOW + wait_ms), worker)
  redis.call('HSET', KEY.warm, worker, loaded)
  redis.call('DEL', key('wake', worker))
end
return {}
