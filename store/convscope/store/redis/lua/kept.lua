-- Notes that the manifest of a model is written, unless the model has been made again meanwhile.
--
-- ARGV: model id, value of the field `unkept` before its manifest was written
-- Returns 1.
local record, mark = key('model', take()), take()
if redis.call('HGET', record, 'unkept') == mark then
  redis.call('HDEL', record, 'unkept')
end
return 1
