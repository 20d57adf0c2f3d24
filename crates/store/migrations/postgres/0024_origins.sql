-- The registry that replication brought an image or a tag from; none for what somebody pushed or tagged here, and for what
-- was stored before this was noted. Replication takes away what it brought, and nothing else.
ALTER TABLE images ADD COLUMN replicated_from TEXT COLLATE "C";
ALTER TABLE image_tags ADD COLUMN replicated_from TEXT COLLATE "C";

-- What guarded a repository that was deleted, as long as images of it can be restored: those that were deleted up to that
-- time, and after the deletion of the name's repository before.
CREATE TABLE deleted_repositories (
    account_id             TEXT COLLATE "C" NOT NULL,
    region                 TEXT COLLATE "C" NOT NULL,
    repository_name        TEXT COLLATE "C" NOT NULL,
    deleted_at_ms          BIGINT NOT NULL,
    tag_mutability         TEXT COLLATE "C" NOT NULL,
    tag_mutability_filters TEXT COLLATE "C" NOT NULL,
    scan_on_push           BIGINT NOT NULL,
    restore_window_days    BIGINT,
    policy                 TEXT COLLATE "C",
    resource_tags          TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, region, repository_name, deleted_at_ms)
);
