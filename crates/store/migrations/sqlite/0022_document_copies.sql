-- SQLite's pages carry no checksums. Each policy is kept twice, in its row and in an index, so that a bit which a disk has
-- changed in one of them shows, also where the policy can still be read (tables/document_copies.rs).
CREATE INDEX iam_inline_policies_copy ON iam_inline_policies (document);
CREATE INDEX iam_policy_versions_copy ON iam_policy_versions (document);
CREATE INDEX iam_entities_copy ON iam_entities (trust_policy) WHERE trust_policy IS NOT NULL;
CREATE INDEX repositories_copy ON repositories (policy) WHERE policy IS NOT NULL;
CREATE INDEX registry_policies_copy ON registry_policies (document);
CREATE INDEX secrets_copy ON secrets (policy) WHERE policy IS NOT NULL;
CREATE INDEX kms_keys_copy ON kms_keys (policy);
