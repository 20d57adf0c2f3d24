-- Days that deleted images of a repository can be restored, 0 for not at all; absent for the server's own setting.
ALTER TABLE repositories ADD COLUMN restore_window_days INTEGER;

-- Deleted images that can be restored. They belong to a repository's name, so that they outlive the repository itself,
-- and keep the id that they had among the images.
CREATE TABLE deleted_images (
    id                  INTEGER PRIMARY KEY,
    account_id          TEXT NOT NULL,
    region              TEXT NOT NULL,
    repository_name     TEXT NOT NULL,
    encryption_type     TEXT NOT NULL,
    kms_key             TEXT,
    digest              TEXT NOT NULL,
    deleted_at_ms       INTEGER NOT NULL,
    deleted_by          TEXT NOT NULL,
    reason              TEXT NOT NULL,
    expires_at_ms       INTEGER NOT NULL,
    media_type          TEXT NOT NULL,
    artifact_media_type TEXT,
    artifact_type       TEXT,
    annotations         TEXT,
    subject_digest      TEXT,
    size_bytes          INTEGER NOT NULL,
    manifest_bytes      INTEGER NOT NULL,
    manifest            BLOB NOT NULL,
    pushed_at_ms        INTEGER NOT NULL,
    last_pulled_at_ms   INTEGER,
    status              TEXT NOT NULL
);
CREATE INDEX deleted_images_place ON deleted_images (account_id, region, repository_name, deleted_at_ms, id);
CREATE INDEX deleted_images_digest ON deleted_images (account_id, region, repository_name, digest, deleted_at_ms);
CREATE INDEX deleted_images_expiry ON deleted_images (expires_at_ms);

-- Each row is one of the references that blobs.reference_count counts, beside those of repository_blobs.
CREATE TABLE deleted_image_blobs (
    deleted_image_id INTEGER NOT NULL REFERENCES deleted_images (id),
    digest           TEXT NOT NULL,
    blob_id          INTEGER NOT NULL REFERENCES blobs (id),
    media_type       TEXT NOT NULL,
    PRIMARY KEY (deleted_image_id, digest)
) WITHOUT ROWID;
CREATE INDEX deleted_image_blobs_blob ON deleted_image_blobs (blob_id);

CREATE TABLE deleted_image_children (
    deleted_image_id INTEGER NOT NULL REFERENCES deleted_images (id) ON DELETE CASCADE,
    child_digest     TEXT NOT NULL,
    PRIMARY KEY (deleted_image_id, child_digest)
) WITHOUT ROWID;

-- Tags that were deleted: with their image, which deleted_image_id names, or by themselves from an image that stayed.
CREATE TABLE deleted_tags (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id       TEXT NOT NULL,
    region           TEXT NOT NULL,
    repository_name  TEXT NOT NULL,
    tag              TEXT NOT NULL,
    digest           TEXT NOT NULL,
    tagged_at_ms     INTEGER NOT NULL,
    deleted_image_id INTEGER REFERENCES deleted_images (id) ON DELETE CASCADE,
    deleted_at_ms    INTEGER NOT NULL,
    deleted_by       TEXT NOT NULL,
    reason           TEXT NOT NULL,
    expires_at_ms    INTEGER NOT NULL
);
CREATE INDEX deleted_tags_tag ON deleted_tags (account_id, region, repository_name, tag, deleted_at_ms);
CREATE INDEX deleted_tags_image ON deleted_tags (deleted_image_id, tag);
CREATE INDEX deleted_tags_alone ON deleted_tags (account_id, region, repository_name, deleted_at_ms, id)
    WHERE deleted_image_id IS NULL;
CREATE INDEX deleted_tags_expiry ON deleted_tags (expires_at_ms) WHERE deleted_image_id IS NULL;

-- What may not be deleted: a repository (target is empty), the tags that match a filter, or a digest.
CREATE TABLE image_protections (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    kind          TEXT NOT NULL,
    target        TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    created_by    TEXT NOT NULL,
    PRIMARY KEY (repository_id, kind, target)
) WITHOUT ROWID;
