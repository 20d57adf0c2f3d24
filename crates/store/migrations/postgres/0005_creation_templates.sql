-- prefix_key is the prefix without a slash at its end, which means nothing: what makes two prefixes the same.
CREATE TABLE creation_templates (
    account_id             TEXT COLLATE "C" NOT NULL,
    region                 TEXT COLLATE "C" NOT NULL,
    prefix_key             TEXT COLLATE "C" NOT NULL,
    prefix                 TEXT COLLATE "C" NOT NULL,
    description            TEXT COLLATE "C",
    encryption_type        TEXT COLLATE "C" NOT NULL,
    kms_key                TEXT COLLATE "C",
    resource_tags          TEXT COLLATE "C" NOT NULL,
    tag_mutability         TEXT COLLATE "C" NOT NULL,
    tag_mutability_filters TEXT COLLATE "C" NOT NULL,
    repository_policy      TEXT COLLATE "C",
    lifecycle_policy       TEXT COLLATE "C",
    applied_for            TEXT COLLATE "C" NOT NULL,
    custom_role_arn        TEXT COLLATE "C",
    created_at_ms          BIGINT NOT NULL,
    updated_at_ms          BIGINT NOT NULL,
    PRIMARY KEY (account_id, region, prefix_key)
);
