-- Finds another part of a job for a horse that has just ended one, as long as nobody else is kept waiting by that but
-- jobs of a lower priority.
--
-- KEYS: those of the job, then the queues that the horse's worker listens to, best first
-- ARGV: job id, what precedes the id of an entry of a queue in the name of its record
-- Returns the part, which is queued in the record and on no queue, or -1.
local id, prefix = take(), take()
local job = redis.call('HMGET', record, 'state', 'cancel', 'priority')
if job[1] ~= 'running' or job[2] then
  return -1
end
local own, reached = '-' .. (job[3] or 'normal') .. '-', false -- how names of queues tell the priority
local queue, following -- where another part of the job is first, and which one
for number = JOB_KEYS + 1, #KEYS do
  if string.find(KEYS[number], own, 1, true) then
    reached = true
  elseif reached then
    break -- those that follow have a lower priority
  end
  local entry = redis.call('LINDEX', KEYS[number], 0)
  while entry do
    local owner, part = string.match(entry, '^(.*)%-(%d+)$')
    if owner ~= id then
      return -1 -- also if this queue comes after the job's own: those of one priority take turns
    end
    if redis.call('HGET', parts, 'state:' .. part) == 'queued' then
      queue, following = KEYS[number], part
      break
    end
    redis.call('LPOP', KEYS[number])
    redis.call('DEL', prefix .. entry)
    entry = redis.call('LINDEX', KEYS[number], 0)
  end
end
if not queue then
  return queue_next()
end
redis.call('DEL', prefix .. redis.call('LPOP', queue))
return tonumber(following)
