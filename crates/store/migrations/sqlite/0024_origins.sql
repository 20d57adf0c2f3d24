-- The registry that replication brought an image or a tag from; none for what somebody pushed or tagged here, and for what
-- was stored before this was noted. Replication takes away what it brought, and nothing else.
ALTER TABLE images ADD COLUMN replicated_from TEXT;
ALTER TABLE image_tags ADD COLUMN replicated_from TEXT;

-- What guarded a repository that was deleted, as long as images of it can be restored: those that were deleted up to that
-- time, and after the deletion of the name's repository before.
CREATE TABLE deleted_repositories (
    account_id             TEXT NOT NULL,
    region                 TEXT NOT NULL,
    repository_name        TEXT NOT NULL,
    deleted_at_ms          INTEGER NOT NULL,
    tag_mutability         TEXT NOT NULL,
    tag_mutability_filters TEXT NOT NULL,
    scan_on_push           INTEGER NOT NULL,
    restore_window_days    INTEGER,
    policy                 TEXT,
    resource_tags          TEXT NOT NULL,
    PRIMARY KEY (account_id, region, repository_name, deleted_at_ms)
) WITHOUT ROWID;
CREATE INDEX deleted_repositories_copy ON deleted_repositories (policy) WHERE policy IS NOT NULL;
