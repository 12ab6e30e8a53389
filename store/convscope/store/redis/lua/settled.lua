-- Notes that the jobs that wait for a model are settled, unless some have to be settled still: its training may have ended
-- meanwhile. One that has not ended notes it at its end.
--
-- ARGV: id of the model
-- Returns 1 if they are settled, else 0.
local id = take()
if redis.call('EXISTS', key('waiters', id)) == 1 and redis.call('HGET', key('model', id), 'state') ~= 'pending' then
  return 0
end
redis.call('SREM', KEY.unsettled, id)
return 1
