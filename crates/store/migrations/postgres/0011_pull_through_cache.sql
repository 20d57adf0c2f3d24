-- prefix_key is the prefix without a slash at its end, which means nothing: what makes two prefixes the same.
CREATE TABLE pull_through_cache_rules (
    account_id        TEXT COLLATE "C" NOT NULL,
    region            TEXT COLLATE "C" NOT NULL,
    prefix_key        TEXT COLLATE "C" NOT NULL,
    prefix            TEXT COLLATE "C" NOT NULL,
    upstream_url      TEXT COLLATE "C" NOT NULL,
    upstream_registry TEXT COLLATE "C",
    upstream_prefix   TEXT COLLATE "C",
    credential_arn    TEXT COLLATE "C",
    custom_role_arn   TEXT COLLATE "C",
    created_at_ms     BIGINT NOT NULL,
    updated_at_ms     BIGINT NOT NULL,
    PRIMARY KEY (account_id, region, prefix_key)
);

-- Blobs that images of a repository name and that are still at the upstream they came from. image_count counts those
-- images. A blob that arrives moves to repository_blobs with its count. The size is unknown for what Docker schema 1 names.
CREATE TABLE upstream_blobs (
    repository_id       BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest              TEXT COLLATE "C" NOT NULL,
    size_bytes          BIGINT,
    media_type          TEXT COLLATE "C" NOT NULL,
    image_count         BIGINT NOT NULL CHECK (image_count >= 0),
    upstream_url        TEXT COLLATE "C" NOT NULL,
    upstream_repository TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (repository_id, digest)
);

-- When the tag was last found to be the upstream's.
ALTER TABLE image_tags ADD COLUMN upstream_checked_at_ms BIGINT;
