-- Releases a slice of the references of deleted jobs and models.
--
-- ARGV: size of a slice
-- Returns how many references were released; 0 if none is left.
local size = take()
while true do
  local entry = redis.call('LINDEX', KEY.trash, 0)
  if not entry then
    return 0
  end
  local name = string.match(entry, '^blobs (.*)$')
  local digests = redis.call('SPOP', name, size)
  for _, digest in ipairs(digests) do
    release_ref(digest)
  end
  if redis.call('EXISTS', name) == 0 then
    redis.call('LPOP', KEY.trash)
  end
  if #digests > 0 then
    return #digests
  end
end
