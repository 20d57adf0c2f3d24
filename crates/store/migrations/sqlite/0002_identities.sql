-- Users, groups and roles. name_key is the name in lower case: IAM's names must differ by more than case.
CREATE TABLE iam_entities (
    id                  TEXT PRIMARY KEY,
    account_id          TEXT NOT NULL,
    kind                TEXT NOT NULL,
    name_key            TEXT NOT NULL,
    name                TEXT NOT NULL,
    path                TEXT NOT NULL,
    created_at_ms       INTEGER NOT NULL,
    boundary_arn        TEXT,
    tags                TEXT NOT NULL,
    description         TEXT,
    trust_policy        TEXT,
    max_session_seconds INTEGER NOT NULL,
    UNIQUE (account_id, kind, name_key)
);

CREATE TABLE iam_group_members (
    group_id TEXT NOT NULL REFERENCES iam_entities (id),
    user_id  TEXT NOT NULL REFERENCES iam_entities (id),
    PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;
CREATE INDEX iam_group_members_user ON iam_group_members (user_id);

CREATE TABLE iam_inline_policies (
    entity_id TEXT NOT NULL REFERENCES iam_entities (id),
    name      TEXT NOT NULL,
    document  TEXT NOT NULL,
    PRIMARY KEY (entity_id, name)
) WITHOUT ROWID;

-- policy_arn may name a policy of AWS's, which has no row.
CREATE TABLE iam_attached_policies (
    entity_id  TEXT NOT NULL REFERENCES iam_entities (id),
    policy_arn TEXT NOT NULL,
    PRIMARY KEY (entity_id, policy_arn)
) WITHOUT ROWID;
CREATE INDEX iam_attached_policies_policy ON iam_attached_policies (policy_arn);

CREATE TABLE iam_policies (
    arn             TEXT PRIMARY KEY,
    id              TEXT NOT NULL,
    account_id      TEXT NOT NULL,
    name_key        TEXT NOT NULL,
    name            TEXT NOT NULL,
    path            TEXT NOT NULL,
    description     TEXT NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    updated_at_ms   INTEGER NOT NULL,
    default_version INTEGER NOT NULL,
    latest_version  INTEGER NOT NULL,
    tags            TEXT NOT NULL,
    UNIQUE (account_id, name_key)
);

CREATE TABLE iam_policy_versions (
    policy_arn    TEXT NOT NULL REFERENCES iam_policies (arn) ON DELETE CASCADE,
    version       INTEGER NOT NULL,
    document      TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (policy_arn, version)
) WITHOUT ROWID;

-- sealed_secret is encrypted with the service key.
CREATE TABLE iam_access_keys (
    id                TEXT PRIMARY KEY,
    user_id           TEXT NOT NULL REFERENCES iam_entities (id),
    sealed_secret     BLOB NOT NULL,
    is_active         INTEGER NOT NULL,
    created_at_ms     INTEGER NOT NULL,
    last_used_at_ms   INTEGER,
    last_used_service TEXT,
    last_used_region  TEXT
);
CREATE INDEX iam_access_keys_user ON iam_access_keys (user_id);

CREATE TABLE iam_oidc_providers (
    arn           TEXT PRIMARY KEY,
    account_id    TEXT NOT NULL,
    url           TEXT NOT NULL,
    client_ids    TEXT NOT NULL,
    thumbprints   TEXT NOT NULL,
    tags          TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL
);

-- Long-lived registry tokens with a scope. principal_id is the user's id, or the account's for its root user.
CREATE TABLE robot_tokens (
    id              TEXT PRIMARY KEY,
    account_id      TEXT NOT NULL,
    region          TEXT NOT NULL,
    principal_id    TEXT NOT NULL,
    name            TEXT NOT NULL,
    repositories    TEXT NOT NULL,
    actions         TEXT NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    expires_at_ms   INTEGER NOT NULL,
    last_used_at_ms INTEGER,
    UNIQUE (account_id, region, name)
);

CREATE TABLE registry_policies (
    account_id TEXT NOT NULL,
    region     TEXT NOT NULL,
    document   TEXT NOT NULL,
    PRIMARY KEY (account_id, region)
) WITHOUT ROWID;

ALTER TABLE repositories ADD COLUMN policy TEXT;

-- Counts the changes of all that nodes hold in memory for their decisions.
CREATE TABLE identity_version (
    id      INTEGER PRIMARY KEY,
    version INTEGER NOT NULL
);
INSERT INTO identity_version (id, version) VALUES (1, 0);
