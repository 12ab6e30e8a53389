-- Tells a worker whether its executor is to be killed: if the attempt that it holds now is the one that was meant.
--
-- ARGV: worker
-- Returns 1 or 0.
local worker = take()
local wanted = redis.call('HGET', KEY.kill, worker)
if not wanted then
  return 0
end
redis.call('HDEL', KEY.kill, worker)
local held = redis.call('HGET', KEY.holders, worker)
return held and string.match(held, '[^|]*$') == wanted and 1 or 0
