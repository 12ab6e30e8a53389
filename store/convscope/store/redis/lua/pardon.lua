-- Takes condemned blobs off the list without deleting their files, because nothing may be deleted. Some may have been
-- deleted before; who wants to refer to one writes it again. They stay unreferenced.
--
-- ARGV: none
-- Returns how many there were.
local condemned = redis.call('HGETALL', KEY.condemned)
for index = 1, #condemned, 2 do
  redis.call('ZADD', KEY.struck, condemned[index + 1], condemned[index])
  redis.call('ZADD', KEY.unreferenced, NOW, condemned[index])
end
redis.call('DEL', KEY.condemned)
return #condemned / 2
