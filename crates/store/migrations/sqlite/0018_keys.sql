-- Root keys seal all that is stored in small pieces. Unwrapping them tells whether a server has the right service key.
DROP TABLE service_key_check;
CREATE TABLE root_keys (
    number          INTEGER PRIMARY KEY,
    wrapped         BLOB NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    active_from_ms  INTEGER NOT NULL,
    unused_since_ms INTEGER
);

-- The version of all keys that nodes hold in memory. One row.
CREATE TABLE key_version (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
);
INSERT INTO key_version (id, version) VALUES (1, 0);

-- How far the search is for values that older root keys have sealed. One row.
CREATE TABLE reseal_searches (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    root_key     INTEGER NOT NULL,
    began_at_ms  INTEGER NOT NULL,
    place        INTEGER NOT NULL,
    place_cursor TEXT NOT NULL,
    seen         INTEGER NOT NULL,
    resealed     INTEGER NOT NULL,
    unreadable   INTEGER NOT NULL,
    ended_at_ms  INTEGER
);

-- KMS keys. A key that is gone for good has no row.
CREATE TABLE kms_keys (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    key_id               TEXT NOT NULL UNIQUE,
    account_id           TEXT NOT NULL,
    region               TEXT NOT NULL,
    manager              TEXT NOT NULL,
    description          TEXT NOT NULL,
    policy               TEXT NOT NULL,
    tags                 TEXT NOT NULL,
    is_enabled           INTEGER NOT NULL,
    created_at_ms        INTEGER NOT NULL,
    delete_at_ms         INTEGER,
    deletion_window_days INTEGER,
    rotation_days        INTEGER,
    next_rotation_at_ms  INTEGER,
    current_version      INTEGER NOT NULL
);
CREATE INDEX kms_keys_registry ON kms_keys (account_id, region, key_id);

-- sealed: the material, encrypted with a root key.
CREATE TABLE kms_key_versions (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    kms_key_id    INTEGER NOT NULL REFERENCES kms_keys (id),
    version       INTEGER NOT NULL,
    sealed        BLOB NOT NULL,
    created_at_ms INTEGER NOT NULL,
    rotation_type TEXT,
    UNIQUE (kms_key_id, version)
);

CREATE TABLE kms_aliases (
    account_id    TEXT NOT NULL,
    region        TEXT NOT NULL,
    name          TEXT NOT NULL,
    kms_key_id    INTEGER NOT NULL REFERENCES kms_keys (id),
    created_at_ms INTEGER NOT NULL,
    updated_at_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, region, name)
) WITHOUT ROWID;
CREATE INDEX kms_aliases_key ON kms_aliases (kms_key_id);

-- operations, encryption_context: JSON; what the grant allows, and the context that a request must have for it.
CREATE TABLE kms_grants (
    grant_id           TEXT PRIMARY KEY,
    kms_key_id         INTEGER NOT NULL REFERENCES kms_keys (id),
    grantee            TEXT NOT NULL,
    retiring           TEXT,
    issuing_account    TEXT NOT NULL,
    name               TEXT,
    operations         TEXT NOT NULL,
    encryption_context TEXT NOT NULL,
    created_at_ms      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX kms_grants_key ON kms_grants (kms_key_id, grant_id);
CREATE INDEX kms_grants_name ON kms_grants (kms_key_id, name) WHERE name IS NOT NULL;
CREATE INDEX kms_grants_grantee ON kms_grants (kms_key_id, grantee, grant_id);
CREATE INDEX kms_grants_retiring ON kms_grants (retiring, grant_id) WHERE retiring IS NOT NULL;
