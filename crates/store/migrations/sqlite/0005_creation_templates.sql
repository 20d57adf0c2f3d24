-- prefix_key is the prefix without a slash at its end, which means nothing: what makes two prefixes the same.
CREATE TABLE creation_templates (
    account_id             TEXT NOT NULL,
    region                 TEXT NOT NULL,
    prefix_key             TEXT NOT NULL,
    prefix                 TEXT NOT NULL,
    description            TEXT,
    encryption_type        TEXT NOT NULL,
    kms_key                TEXT,
    resource_tags          TEXT NOT NULL,
    tag_mutability         TEXT NOT NULL,
    tag_mutability_filters TEXT NOT NULL,
    repository_policy      TEXT,
    lifecycle_policy       TEXT,
    applied_for            TEXT NOT NULL,
    custom_role_arn        TEXT,
    created_at_ms          INTEGER NOT NULL,
    updated_at_ms          INTEGER NOT NULL,
    PRIMARY KEY (account_id, region, prefix_key)
) WITHOUT ROWID;
