-- Images that are archived, and where the bytes of blobs are kept.
ALTER TABLE images ADD COLUMN last_archived_at_ms BIGINT;
ALTER TABLE images ADD COLUMN last_activated_at_ms BIGINT;
ALTER TABLE deleted_images ADD COLUMN last_archived_at_ms BIGINT;
ALTER TABLE deleted_images ADD COLUMN last_activated_at_ms BIGINT;
CREATE INDEX images_activating ON images (repository_id, id) WHERE status = 'ACTIVATING';

-- Of the images that image_count counts. pushed_again_at_ms: a layer that only such images name was uploaded anew.
ALTER TABLE repository_blobs ADD COLUMN archived_image_count BIGINT NOT NULL DEFAULT 0
    CHECK (archived_image_count >= 0);
ALTER TABLE repository_blobs ADD COLUMN activating_image_count BIGINT NOT NULL DEFAULT 0
    CHECK (activating_image_count >= 0);
ALTER TABLE repository_blobs ADD COLUMN pushed_again_at_ms BIGINT;
CREATE INDEX repository_blobs_pushed_again ON repository_blobs (pushed_again_at_ms)
    WHERE pushed_again_at_ms IS NOT NULL;

-- stored_bytes: what the object holds in its encoding; size_bytes if it is absent.
ALTER TABLE blobs ADD COLUMN tier TEXT COLLATE "C" NOT NULL DEFAULT 'STANDARD';
ALTER TABLE blobs ADD COLUMN encoding TEXT COLLATE "C" NOT NULL DEFAULT 'IDENTITY';
ALTER TABLE blobs ADD COLUMN stored_bytes BIGINT;

-- copy_of_blob_id: an object that is being written and that no row names yet. It is noted before its first byte, for a
-- time by which it must be in use, and so is forgotten by nobody.
ALTER TABLE removed_objects ADD COLUMN tier TEXT COLLATE "C" NOT NULL DEFAULT 'STANDARD';
ALTER TABLE removed_objects ADD COLUMN copy_of_blob_id BIGINT;
CREATE INDEX removed_objects_copies ON removed_objects (copy_of_blob_id) WHERE copy_of_blob_id IS NOT NULL;
