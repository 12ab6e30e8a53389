-- Gives a job the images that were computed for another one, with their events.
--
-- KEYS: those of the job, images known of the model that it needs
-- ARGV: job id, part, attempt, then for each image: its number in the job, its name, event
-- Returns {"refused"} if the attempt is over, else {"ok", number of each image that the job has now}.
local id, part, attempt = take(), take(), take()
local known = KEYS[JOB_KEYS + 1]
if not holds(part, attempt) then
  return { 'refused' }
end
local reply = { 'ok' }
while at <= #ARGV do
  local number, name, event = take(), take(), take()
  local blob = redis.call('HGET', known, name)
  if redis.call('HEXISTS', images, number) == 1 then
    reply[#reply + 1] = tonumber(number) -- sent again, because the reply was lost
  elseif blob and redis.call('HEXISTS', references, blob) == 1 then
    add_image(id, number, event, blob)
    redis.call('HINCRBY', record, 'known', 1)
    reply[#reply + 1] = tonumber(number)
  elseif blob then
    redis.call('HDEL', known, name) -- the last job that had it is gone, and the image with it
  end
end
return reply
