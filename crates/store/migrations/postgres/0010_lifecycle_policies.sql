CREATE TABLE lifecycle_policies (
    repository_id        BIGINT PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    policy_text          TEXT COLLATE "C" NOT NULL,
    scheduled_at_ms      BIGINT NOT NULL,
    last_evaluated_at_ms BIGINT NOT NULL,
    last_run             TEXT COLLATE "C"
);
CREATE INDEX lifecycle_policies_scheduled ON lifecycle_policies (scheduled_at_ms);

-- Extensions; a row outlives the policy, which clients delete to replace it.
CREATE TABLE lifecycle_settings (
    repository_id     BIGINT PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    count_root_images BIGINT NOT NULL
);

-- Tells a run whether anything has changed that its decision rests on. Several counters, so that pushes at once do not
-- wait for each other.
CREATE TABLE lifecycle_changes (
    repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    shard         BIGINT NOT NULL,
    change_count  BIGINT NOT NULL,
    PRIMARY KEY (repository_id, shard)
);

-- What was decided and is being carried out; the steps that are left.
CREATE TABLE lifecycle_runs (
    repository_id     BIGINT PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    policy_text       TEXT COLLATE "C" NOT NULL,
    count_root_images BIGINT NOT NULL,
    change_count      BIGINT NOT NULL,
    decided_at_ms     BIGINT NOT NULL,
    action_count      BIGINT NOT NULL,
    expired_count     BIGINT NOT NULL,
    archived_count    BIGINT NOT NULL,
    report            TEXT COLLATE "C" NOT NULL
);
CREATE TABLE lifecycle_run_steps (
    repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    number        BIGINT NOT NULL,
    actions       TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (repository_id, number)
);

CREATE TABLE lifecycle_previews (
    repository_id   BIGINT PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    policy_text     TEXT COLLATE "C" NOT NULL,
    status          TEXT COLLATE "C" NOT NULL,
    started_at_ms   BIGINT NOT NULL,
    finished_at_ms  BIGINT,
    expiring_count  BIGINT NOT NULL,
    archiving_count BIGINT NOT NULL
);
CREATE INDEX lifecycle_previews_complete ON lifecycle_previews (finished_at_ms) WHERE status = 'COMPLETE';

CREATE TABLE lifecycle_preview_results (
    repository_id BIGINT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    position      BIGINT NOT NULL,
    image_digest  TEXT COLLATE "C" NOT NULL,
    is_tagged     BIGINT NOT NULL,
    result        TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (repository_id, position)
);
CREATE UNIQUE INDEX lifecycle_preview_results_digest ON lifecycle_preview_results (repository_id, image_digest);
