-- Uploads to a store that several nodes share. epoch counts the sessions that wrote an upload, of which the last may go
-- on; next_part is the first part number that none of them was given; rest_object_id holds the bytes that make no part
-- yet; multipart_id is the multipart upload that receives the object.
ALTER TABLE uploads ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;
ALTER TABLE uploads ADD COLUMN next_part BIGINT NOT NULL DEFAULT 1;
ALTER TABLE uploads ADD COLUMN rest_object_id TEXT COLLATE "C";
ALTER TABLE uploads ADD COLUMN multipart_id TEXT COLLATE "C";

-- Where a removed object is; both are empty for one that was noted before.
ALTER TABLE removed_objects ADD COLUMN region TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE removed_objects ADD COLUMN encryption_scope TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE removed_objects ADD COLUMN multipart_id TEXT COLLATE "C";
