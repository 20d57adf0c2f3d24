-- Who writes the next revision of a feed: whoever was at it before puts nothing in force any more.
ALTER TABLE advisory_feeds ADD COLUMN writer TEXT COLLATE "C";
