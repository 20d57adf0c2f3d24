-- What a registry replicates, and where to: its rules, as JSON.
CREATE TABLE replication_configurations (
    account_id TEXT NOT NULL,
    region     TEXT NOT NULL,
    rules      TEXT NOT NULL,
    PRIMARY KEY (account_id, region)
) WITHOUT ROWID;

-- What the server's configuration adds to all rules, as JSON: transactions read it here, beside the rules. One row.
CREATE TABLE replication_extensions (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    settings TEXT NOT NULL
);

-- Where an image goes, and how far it got. Those in progress are the queue of their destination.
CREATE TABLE image_replications (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    image_id               INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    account_id             TEXT NOT NULL,
    region                 TEXT NOT NULL,
    destination_account_id TEXT NOT NULL,
    destination_region     TEXT NOT NULL,
    status                 TEXT NOT NULL,
    generation             INTEGER NOT NULL,
    attempts               INTEGER NOT NULL,
    due_at_ms              INTEGER NOT NULL,
    failure_code           TEXT,
    failure_reason         TEXT,
    updated_at_ms          INTEGER NOT NULL,
    UNIQUE (image_id, destination_account_id, destination_region)
);
CREATE INDEX image_replications_due ON image_replications
    (account_id, region, destination_account_id, destination_region, due_at_ms) WHERE status = 'IN_PROGRESS';
CREATE INDEX image_replications_registry ON image_replications (account_id, region, id);

-- Images and tags that destinations are to lose.
CREATE TABLE replication_removals (
    id                     INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id             TEXT NOT NULL,
    region                 TEXT NOT NULL,
    destination_account_id TEXT NOT NULL,
    destination_region     TEXT NOT NULL,
    repository             TEXT NOT NULL,
    digest                 TEXT NOT NULL,
    tags                   TEXT NOT NULL,
    is_gone                INTEGER NOT NULL
);
CREATE INDEX replication_removals_destination ON replication_removals
    (account_id, region, destination_account_id, destination_region, id);

CREATE TABLE replication_backfills (
    id                     TEXT PRIMARY KEY,
    account_id             TEXT NOT NULL,
    region                 TEXT NOT NULL,
    destination_account_id TEXT NOT NULL,
    destination_region     TEXT NOT NULL,
    status                 TEXT NOT NULL,
    prepared_to            TEXT NOT NULL,
    is_prepared            INTEGER NOT NULL,
    started_at_ms          INTEGER NOT NULL,
    ended_at_ms            INTEGER
) WITHOUT ROWID;
CREATE INDEX replication_backfills_registry ON replication_backfills (account_id, region, started_at_ms, id);
CREATE INDEX replication_backfills_ended ON replication_backfills (ended_at_ms) WHERE ended_at_ms IS NOT NULL;

-- What a back-fill replicates: a line per image and tag. The tag is empty for an image without any.
CREATE TABLE replication_backfill_images (
    backfill_id  TEXT NOT NULL REFERENCES replication_backfills (id) ON DELETE CASCADE,
    repository   TEXT NOT NULL,
    digest       TEXT NOT NULL,
    tag          TEXT NOT NULL,
    status       TEXT NOT NULL,
    failure_code TEXT,
    child_codes  TEXT,
    PRIMARY KEY (backfill_id, repository, digest, tag)
) WITHOUT ROWID;
CREATE INDEX replication_backfill_images_status ON replication_backfill_images
    (backfill_id, status, repository, digest, tag);
