-- Tags that an image got at this time or later have not arrived at the destination, or nobody was told that they did.
ALTER TABLE image_replications ADD COLUMN tags_since_ms INTEGER NOT NULL DEFAULT 0;
