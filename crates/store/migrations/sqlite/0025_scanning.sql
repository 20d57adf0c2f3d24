-- How the images of a registry are scanned. rules: JSON; none was ever put where there is no row.
CREATE TABLE scanning_configurations (
    account_id TEXT NOT NULL,
    region     TEXT NOT NULL,
    scan_type  TEXT NOT NULL,
    rules      TEXT NOT NULL,
    PRIMARY KEY (account_id, region)
) WITHOUT ROWID;

-- What is kept of a layer that was analysed, for each account that has it: what another account has pushed must not show.
-- sealed: the facts, encrypted with the data key, which is wrapped as that of the blob; revision: of the analysis.
CREATE TABLE layer_facts (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id     TEXT NOT NULL,
    blob_id        INTEGER NOT NULL REFERENCES blobs (id) ON DELETE CASCADE,
    revision       INTEGER NOT NULL,
    is_whole       INTEGER NOT NULL,
    object_id      TEXT NOT NULL,
    data_key       BLOB NOT NULL,
    sealed         BLOB NOT NULL,
    analysed_at_ms INTEGER NOT NULL,
    UNIQUE (account_id, blob_id)
);
CREATE INDEX layer_facts_blob ON layer_facts (blob_id);

-- The last scan of an image, of each type of scanning. sealed: packages and findings, encrypted as layer_facts.sealed is.
CREATE TABLE image_scans (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    image_id             INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    scan_type            TEXT NOT NULL,
    cause                TEXT NOT NULL,
    status               TEXT NOT NULL,
    description          TEXT,
    requested_at_ms      INTEGER NOT NULL,
    started_at_ms        INTEGER,
    ended_at_ms          INTEGER,
    source_updated_at_ms INTEGER,
    is_whole             INTEGER NOT NULL,
    critical             INTEGER NOT NULL,
    high                 INTEGER NOT NULL,
    medium               INTEGER NOT NULL,
    low                  INTEGER NOT NULL,
    informational        INTEGER NOT NULL,
    undefined            INTEGER NOT NULL,
    object_id            TEXT,
    data_key             BLOB,
    sealed               BLOB,
    UNIQUE (image_id, scan_type)
);
CREATE INDEX image_scans_running ON image_scans (requested_at_ms, id) WHERE ended_at_ms IS NULL;

-- The feeds of advisories that are wanted. revision: what is in force of it, 0 while there is nothing. files: JSON, what is
-- known of each of its files. changed_at_ms: when what is in force came; checked_at_ms: when it was last seen to be current.
CREATE TABLE advisory_feeds (
    name                 TEXT PRIMARY KEY,
    revision             INTEGER NOT NULL,
    files                TEXT NOT NULL,
    source_updated_at_ms INTEGER,
    changed_at_ms        INTEGER,
    checked_at_ms        INTEGER,
    attempted_at_ms      INTEGER,
    failure              TEXT,
    records              INTEGER NOT NULL,
    broken               INTEGER NOT NULL
) WITHOUT ROWID;

-- What feeds tell: in force from one revision of the feed up to another, which is not included. head: what matching needs;
-- details: what people are shown.
CREATE TABLE advisory_records (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    feed           TEXT NOT NULL,
    record         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    hash           BLOB NOT NULL,
    from_revision  INTEGER NOT NULL,
    until_revision INTEGER,
    head           BLOB NOT NULL,
    details        BLOB NOT NULL
);
CREATE INDEX advisory_records_record ON advisory_records (feed, record);
CREATE INDEX advisory_records_of_vulnerabilities ON advisory_records (record) WHERE kind <> 'ADVISORY';
CREATE INDEX advisory_records_begun ON advisory_records (feed, from_revision);
CREATE INDEX advisory_records_ended ON advisory_records (feed, until_revision) WHERE until_revision IS NOT NULL;

-- The packages that an advisory speaks of.
CREATE TABLE advisory_packages (
    record_id INTEGER NOT NULL REFERENCES advisory_records (id) ON DELETE CASCADE,
    place     INTEGER NOT NULL,
    ecosystem TEXT NOT NULL,
    release   TEXT NOT NULL,
    name      TEXT NOT NULL,
    body      BLOB NOT NULL,
    PRIMARY KEY (record_id, place)
) WITHOUT ROWID;
CREATE INDEX advisory_packages_name ON advisory_packages (ecosystem, release, name);

-- The vulnerabilities that an advisory speaks of, by all their names.
CREATE TABLE advisory_vulnerabilities (
    vulnerability TEXT NOT NULL,
    record_id     INTEGER NOT NULL REFERENCES advisory_records (id) ON DELETE CASCADE,
    PRIMARY KEY (vulnerability, record_id)
) WITHOUT ROWID;
CREATE INDEX advisory_vulnerabilities_record ON advisory_vulnerabilities (record_id);
