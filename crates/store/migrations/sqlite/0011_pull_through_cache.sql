-- prefix_key is the prefix without a slash at its end, which means nothing: what makes two prefixes the same.
CREATE TABLE pull_through_cache_rules (
    account_id        TEXT NOT NULL,
    region            TEXT NOT NULL,
    prefix_key        TEXT NOT NULL,
    prefix            TEXT NOT NULL,
    upstream_url      TEXT NOT NULL,
    upstream_registry TEXT,
    upstream_prefix   TEXT,
    credential_arn    TEXT,
    custom_role_arn   TEXT,
    created_at_ms     INTEGER NOT NULL,
    updated_at_ms     INTEGER NOT NULL,
    PRIMARY KEY (account_id, region, prefix_key)
) WITHOUT ROWID;

-- Blobs that images of a repository name and that are still at the upstream they came from. image_count counts those
-- images. A blob that arrives moves to repository_blobs with its count. The size is unknown for what Docker schema 1 names.
CREATE TABLE upstream_blobs (
    repository_id       INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest              TEXT NOT NULL,
    size_bytes          INTEGER,
    media_type          TEXT NOT NULL,
    image_count         INTEGER NOT NULL CHECK (image_count >= 0),
    upstream_url        TEXT NOT NULL,
    upstream_repository TEXT NOT NULL,
    PRIMARY KEY (repository_id, digest)
) WITHOUT ROWID;

-- When the tag was last found to be the upstream's.
ALTER TABLE image_tags ADD COLUMN upstream_checked_at_ms INTEGER;
