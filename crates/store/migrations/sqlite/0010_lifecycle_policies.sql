CREATE TABLE lifecycle_policies (
    repository_id        INTEGER PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    policy_text          TEXT NOT NULL,
    scheduled_at_ms      INTEGER NOT NULL,
    last_evaluated_at_ms INTEGER NOT NULL,
    last_run             TEXT
);
CREATE INDEX lifecycle_policies_scheduled ON lifecycle_policies (scheduled_at_ms);

-- Extensions; a row outlives the policy, which clients delete to replace it.
CREATE TABLE lifecycle_settings (
    repository_id     INTEGER PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    count_root_images INTEGER NOT NULL
);

-- Tells a run whether anything has changed that its decision rests on. Several counters, so that pushes at once do not
-- wait for each other.
CREATE TABLE lifecycle_changes (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    shard         INTEGER NOT NULL,
    change_count  INTEGER NOT NULL,
    PRIMARY KEY (repository_id, shard)
) WITHOUT ROWID;

-- What was decided and is being carried out; the steps that are left.
CREATE TABLE lifecycle_runs (
    repository_id     INTEGER PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    policy_text       TEXT NOT NULL,
    count_root_images INTEGER NOT NULL,
    change_count      INTEGER NOT NULL,
    decided_at_ms     INTEGER NOT NULL,
    action_count      INTEGER NOT NULL,
    expired_count     INTEGER NOT NULL,
    archived_count    INTEGER NOT NULL,
    report            TEXT NOT NULL
);
CREATE TABLE lifecycle_run_steps (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL,
    actions       TEXT NOT NULL,
    PRIMARY KEY (repository_id, number)
);

CREATE TABLE lifecycle_previews (
    repository_id   INTEGER PRIMARY KEY REFERENCES repositories (id) ON DELETE CASCADE,
    policy_text     TEXT NOT NULL,
    status          TEXT NOT NULL,
    started_at_ms   INTEGER NOT NULL,
    finished_at_ms  INTEGER,
    expiring_count  INTEGER NOT NULL,
    archiving_count INTEGER NOT NULL
);
CREATE INDEX lifecycle_previews_complete ON lifecycle_previews (finished_at_ms) WHERE status = 'COMPLETE';

CREATE TABLE lifecycle_preview_results (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    position      INTEGER NOT NULL,
    image_digest  TEXT NOT NULL,
    is_tagged     INTEGER NOT NULL,
    result        TEXT NOT NULL,
    PRIMARY KEY (repository_id, position)
);
CREATE UNIQUE INDEX lifecycle_preview_results_digest ON lifecycle_preview_results (repository_id, image_digest);
