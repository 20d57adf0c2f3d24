-- What the pull through cache itself brought in: the upstream's URL as its rule names it, a space, and the repository's name
-- there. None for what was pushed, and for what was stored before this was noted, until the upstream has shown it again.
ALTER TABLE images ADD COLUMN cached_from TEXT;
ALTER TABLE deleted_images ADD COLUMN cached_from TEXT;
-- Of a tag: that the cache gave it to the image that has it.
ALTER TABLE image_tags ADD COLUMN cached_from TEXT;
-- Of a blob: that its bytes came from there.
ALTER TABLE repository_blobs ADD COLUMN cached_from TEXT;
