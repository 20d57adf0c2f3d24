CREATE TABLE repositories (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id             TEXT NOT NULL,
    region                 TEXT NOT NULL,
    name                   TEXT NOT NULL,
    created_at_ms          INTEGER NOT NULL,
    tag_mutability         TEXT NOT NULL,
    tag_mutability_filters TEXT NOT NULL,
    scan_on_push           INTEGER NOT NULL,
    encryption_type        TEXT NOT NULL,
    kms_key                TEXT,
    UNIQUE (account_id, region, name)
);

CREATE TABLE resource_tags (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    key           TEXT NOT NULL,
    value         TEXT NOT NULL,
    PRIMARY KEY (repository_id, key)
) WITHOUT ROWID;

-- One stored copy per (region, encryption scope, digest); reference_count counts repository_blobs rows.
CREATE TABLE blobs (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    region           TEXT NOT NULL,
    encryption_scope TEXT NOT NULL,
    digest           TEXT NOT NULL,
    size_bytes       INTEGER NOT NULL,
    object_id        TEXT NOT NULL UNIQUE,
    data_key         BLOB NOT NULL,
    reference_count  INTEGER NOT NULL CHECK (reference_count >= 0),
    created_at_ms    INTEGER NOT NULL,
    UNIQUE (region, encryption_scope, digest)
);
CREATE INDEX blobs_unreferenced ON blobs (id) WHERE reference_count = 0;

-- What a repository may show; image_count counts the images in it that name the blob.
CREATE TABLE repository_blobs (
    repository_id         INTEGER NOT NULL REFERENCES repositories (id),
    digest                TEXT NOT NULL,
    blob_id               INTEGER NOT NULL REFERENCES blobs (id),
    image_count           INTEGER NOT NULL CHECK (image_count >= 0),
    media_type            TEXT,
    unreferenced_since_ms INTEGER,
    PRIMARY KEY (repository_id, digest)
) WITHOUT ROWID;
CREATE INDEX repository_blobs_blob ON repository_blobs (blob_id);
CREATE INDEX repository_blobs_unreferenced ON repository_blobs (unreferenced_since_ms)
    WHERE unreferenced_since_ms IS NOT NULL;

CREATE TABLE images (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    repository_id       INTEGER NOT NULL REFERENCES repositories (id),
    digest              TEXT NOT NULL,
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
    status              TEXT NOT NULL,
    UNIQUE (repository_id, digest)
);
CREATE INDEX images_subject ON images (repository_id, subject_digest, digest) WHERE subject_digest IS NOT NULL;

CREATE TABLE image_blobs (
    image_id INTEGER NOT NULL REFERENCES images (id),
    digest   TEXT NOT NULL,
    PRIMARY KEY (image_id, digest)
) WITHOUT ROWID;

CREATE TABLE image_children (
    parent_image_id INTEGER NOT NULL REFERENCES images (id),
    repository_id   INTEGER NOT NULL,
    child_digest    TEXT NOT NULL,
    PRIMARY KEY (parent_image_id, child_digest)
) WITHOUT ROWID;
CREATE INDEX image_children_child ON image_children (repository_id, child_digest);

-- The primary key is what keeps an immutable tag where it is: no check before it could.
CREATE TABLE image_tags (
    repository_id INTEGER NOT NULL,
    tag           TEXT NOT NULL,
    image_id      INTEGER NOT NULL REFERENCES images (id),
    tagged_at_ms  INTEGER NOT NULL,
    PRIMARY KEY (repository_id, tag)
) WITHOUT ROWID;
CREATE INDEX image_tags_image ON image_tags (image_id, tag);

CREATE TABLE uploads (
    id              TEXT PRIMARY KEY,
    repository_id   INTEGER NOT NULL REFERENCES repositories (id),
    object_id       TEXT NOT NULL UNIQUE,
    data_key        BLOB NOT NULL,
    state           BLOB NOT NULL,
    received_bytes  INTEGER NOT NULL,
    part_count      INTEGER NOT NULL,
    last_part_bytes INTEGER NOT NULL,
    has_short_part  INTEGER NOT NULL,
    updated_at_ms   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX uploads_updated ON uploads (updated_at_ms);
CREATE INDEX uploads_repository ON uploads (repository_id);

-- Objects that no row names any more: their bytes go after a short wait for readers that just looked them up.
CREATE TABLE removed_objects (
    object_id     TEXT PRIMARY KEY,
    removed_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX removed_objects_time ON removed_objects (removed_at_ms);

CREATE TABLE account_settings (
    account_id TEXT NOT NULL,
    region     TEXT NOT NULL,
    name       TEXT NOT NULL,
    value      TEXT NOT NULL,
    PRIMARY KEY (account_id, region, name)
) WITHOUT ROWID;
