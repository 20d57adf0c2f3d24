-- Principals whose pulls leave the last pull time of images as it is.
CREATE TABLE pull_time_exclusions (
    account_id    TEXT NOT NULL,
    region        TEXT NOT NULL,
    principal_arn TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (account_id, region, principal_arn)
) WITHOUT ROWID;

-- How many images a repository has, in 64 parts by the image's id, so that pushes at once rarely meet in one row.
-- Triggers keep it: whoever adds or removes images, in this version of the program or another, counts.
CREATE TABLE image_counts (
    repository_id INTEGER NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    part          INTEGER NOT NULL,
    images        INTEGER NOT NULL,
    PRIMARY KEY (repository_id, part)
) WITHOUT ROWID;
INSERT INTO image_counts (repository_id, part, images)
    SELECT repository_id, id % 64, count(*) FROM images GROUP BY repository_id, id % 64;
CREATE TRIGGER images_added AFTER INSERT ON images BEGIN
    INSERT INTO image_counts (repository_id, part, images) VALUES (NEW.repository_id, NEW.id % 64, 1)
        ON CONFLICT (repository_id, part) DO UPDATE SET images = images + 1;
END;
CREATE TRIGGER images_removed AFTER DELETE ON images BEGIN
    UPDATE image_counts SET images = images - 1 WHERE repository_id = OLD.repository_id AND part = OLD.id % 64;
END;

-- What was done, as CloudTrail records it; `record` is the whole record in JSON.
CREATE TABLE audit_events (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id    TEXT NOT NULL,
    region        TEXT NOT NULL,
    at_ms         INTEGER NOT NULL,
    event_id      TEXT NOT NULL,
    event_name    TEXT NOT NULL,
    event_source  TEXT NOT NULL,
    username      TEXT,
    access_key_id TEXT,
    is_read_only  INTEGER NOT NULL,
    record        TEXT NOT NULL
);
CREATE INDEX audit_events_time ON audit_events (account_id, region, at_ms, id);
CREATE INDEX audit_events_name ON audit_events (account_id, region, event_name, at_ms, id);
CREATE INDEX audit_events_username ON audit_events (account_id, region, username, at_ms, id);
CREATE INDEX audit_events_key ON audit_events (account_id, region, access_key_id, at_ms, id);
CREATE UNIQUE INDEX audit_events_event_id ON audit_events (event_id);

CREATE TABLE audit_event_resources (
    audit_event_id INTEGER NOT NULL REFERENCES audit_events (id) ON DELETE CASCADE,
    account_id     TEXT NOT NULL,
    region         TEXT NOT NULL,
    name           TEXT NOT NULL,
    type           TEXT NOT NULL,
    at_ms          INTEGER NOT NULL,
    PRIMARY KEY (audit_event_id, name)
) WITHOUT ROWID;
CREATE INDEX audit_event_resources_name ON audit_event_resources (account_id, region, name, at_ms, audit_event_id);
