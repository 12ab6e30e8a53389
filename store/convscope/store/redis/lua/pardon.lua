-- Takes condemned blobs off the list without deleting their files, because nothing may be deleted. Some may have
-- been deleted before; a writer that refers to one must write it again. They stay unreferenced.
--
-- ARGV: none
-- Returns how many there were.
local condemned = redis.call('HKEYS', KEY.condemned)
for _, digest in ipairs(condemned) do
  redis.call('ZADD', KEY.unreferenced, whole(NOW), digest)
end
strike(condemned)
return #condemned
