-- Users, groups and roles. name_key is the name in lower case: IAM's names must differ by more than case.
CREATE TABLE iam_entities (
    id                  TEXT COLLATE "C" PRIMARY KEY,
    account_id          TEXT COLLATE "C" NOT NULL,
    kind                TEXT COLLATE "C" NOT NULL,
    name_key            TEXT COLLATE "C" NOT NULL,
    name                TEXT COLLATE "C" NOT NULL,
    path                TEXT COLLATE "C" NOT NULL,
    created_at_ms       BIGINT NOT NULL,
    boundary_arn        TEXT COLLATE "C",
    tags                TEXT COLLATE "C" NOT NULL,
    description         TEXT COLLATE "C",
    trust_policy        TEXT COLLATE "C",
    max_session_seconds BIGINT NOT NULL,
    UNIQUE (account_id, kind, name_key)
);

CREATE TABLE iam_group_members (
    group_id TEXT COLLATE "C" NOT NULL REFERENCES iam_entities (id),
    user_id  TEXT COLLATE "C" NOT NULL REFERENCES iam_entities (id),
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX iam_group_members_user ON iam_group_members (user_id);

CREATE TABLE iam_inline_policies (
    entity_id TEXT COLLATE "C" NOT NULL REFERENCES iam_entities (id),
    name      TEXT COLLATE "C" NOT NULL,
    document  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (entity_id, name)
);

-- policy_arn may name a policy of AWS's, which has no row.
CREATE TABLE iam_attached_policies (
    entity_id  TEXT COLLATE "C" NOT NULL REFERENCES iam_entities (id),
    policy_arn TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (entity_id, policy_arn)
);
CREATE INDEX iam_attached_policies_policy ON iam_attached_policies (policy_arn);

CREATE TABLE iam_policies (
    arn             TEXT COLLATE "C" PRIMARY KEY,
    id              TEXT COLLATE "C" NOT NULL,
    account_id      TEXT COLLATE "C" NOT NULL,
    name_key        TEXT COLLATE "C" NOT NULL,
    name            TEXT COLLATE "C" NOT NULL,
    path            TEXT COLLATE "C" NOT NULL,
    description     TEXT COLLATE "C" NOT NULL,
    created_at_ms   BIGINT NOT NULL,
    updated_at_ms   BIGINT NOT NULL,
    default_version BIGINT NOT NULL,
    latest_version  BIGINT NOT NULL,
    tags            TEXT COLLATE "C" NOT NULL,
    UNIQUE (account_id, name_key)
);

CREATE TABLE iam_policy_versions (
    policy_arn    TEXT COLLATE "C" NOT NULL REFERENCES iam_policies (arn) ON DELETE CASCADE,
    version       BIGINT NOT NULL,
    document      TEXT COLLATE "C" NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (policy_arn, version)
);

-- sealed_secret is encrypted with the service key.
CREATE TABLE iam_access_keys (
    id                TEXT COLLATE "C" PRIMARY KEY,
    user_id           TEXT COLLATE "C" NOT NULL REFERENCES iam_entities (id),
    sealed_secret     BYTEA NOT NULL,
    is_active         BIGINT NOT NULL,
    created_at_ms     BIGINT NOT NULL,
    last_used_at_ms   BIGINT,
    last_used_service TEXT COLLATE "C",
    last_used_region  TEXT COLLATE "C"
);
CREATE INDEX iam_access_keys_user ON iam_access_keys (user_id);

CREATE TABLE iam_oidc_providers (
    arn           TEXT COLLATE "C" PRIMARY KEY,
    account_id    TEXT COLLATE "C" NOT NULL,
    url           TEXT COLLATE "C" NOT NULL,
    client_ids    TEXT COLLATE "C" NOT NULL,
    thumbprints   TEXT COLLATE "C" NOT NULL,
    tags          TEXT COLLATE "C" NOT NULL,
    created_at_ms BIGINT NOT NULL
);

-- Long-lived registry tokens with a scope. principal_id is the user's id, or the account's for its root user.
CREATE TABLE robot_tokens (
    id              TEXT COLLATE "C" PRIMARY KEY,
    account_id      TEXT COLLATE "C" NOT NULL,
    region          TEXT COLLATE "C" NOT NULL,
    principal_id    TEXT COLLATE "C" NOT NULL,
    name            TEXT COLLATE "C" NOT NULL,
    repositories    TEXT COLLATE "C" NOT NULL,
    actions         TEXT COLLATE "C" NOT NULL,
    created_at_ms   BIGINT NOT NULL,
    expires_at_ms   BIGINT NOT NULL,
    last_used_at_ms BIGINT,
    UNIQUE (account_id, region, name)
);

CREATE TABLE registry_policies (
    account_id TEXT COLLATE "C" NOT NULL,
    region     TEXT COLLATE "C" NOT NULL,
    document   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, region)
);

ALTER TABLE repositories ADD COLUMN policy TEXT COLLATE "C";

-- Counts the changes of all that nodes hold in memory for their decisions.
CREATE TABLE identity_version (
    id      BIGINT PRIMARY KEY,
    version BIGINT NOT NULL
);
INSERT INTO identity_version (id, version) VALUES (1, 0);
