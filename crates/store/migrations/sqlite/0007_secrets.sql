-- suffix: the six random characters at the end of the ARN, so that a secret's ARN is not that of its successor.
CREATE TABLE secrets (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id     TEXT NOT NULL,
    region         TEXT NOT NULL,
    name           TEXT NOT NULL,
    suffix         TEXT NOT NULL,
    description    TEXT,
    tags           TEXT NOT NULL,
    policy         TEXT,
    created_at_ms  INTEGER NOT NULL,
    changed_at_ms  INTEGER NOT NULL,
    accessed_at_ms INTEGER,
    purge_at_ms    INTEGER,
    UNIQUE (account_id, region, name)
);
CREATE INDEX secrets_purge ON secrets (purge_at_ms) WHERE purge_at_ms IS NOT NULL;

-- sealed: the value, encrypted with the service key.
CREATE TABLE secret_versions (
    secret_id      INTEGER NOT NULL REFERENCES secrets (id),
    version_id     TEXT NOT NULL,
    sealed         BLOB NOT NULL,
    stages         TEXT NOT NULL,
    created_at_ms  INTEGER NOT NULL,
    accessed_at_ms INTEGER,
    PRIMARY KEY (secret_id, version_id)
) WITHOUT ROWID;
