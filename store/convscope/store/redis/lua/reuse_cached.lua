-- Gives a job the images that were computed for another one, with their events.
--
-- ARGV: job id, part, nonce, token and the token before (see write.lua), id of the images' model,
--       then for each image: its number in the job, its cache key, event
-- Returns {"refused"} if the attempt is over, else {"ok", number of each image that the job has now}.
open_job(take())
local part, nonce, token, before, model = take(), take(), take(), take(), take()
local again = redis.call('HGET', written, part) == token -- because the reply was lost
if not again and not (holds(part, nonce) and follows(part, before)) then
  return { 'refused' }
end
redis.call('HSET', written, part, token)
local reply = { 'ok' }
while at <= #ARGV do
  local number, cache_key, event = take(), take(), take()
  local blob = not again and redis.call('HGET', key('cached', model), cache_key) -- the job may have ended meanwhile
  if redis.call('HEXISTS', images, number) == 1 then
    reply[#reply + 1] = tonumber(number)
  elseif blob and redis.call('HEXISTS', KEY.references, blob) == 1 then
    add_image(number, event, blob)
    redis.call('HINCRBY', record, 'cached', 1)
    reply[#reply + 1] = tonumber(number)
  elseif blob then
    redis.call('HDEL', key('cached', model), cache_key) -- the last job that had it is gone, and the image with it
  end
end
return reply
