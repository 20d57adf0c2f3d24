//! Repository creation templates: what Wharf gives repositories that it creates by itself.

use oci::{RepositoryPrefix, TagFilter};

use super::kms_keys::KmsKeyArn;
use super::prefixes::PrefixTable;
use super::registry_id::RegistryId;
use super::repositories::{EncryptionType, RepositoryRef, TagMutability, join_filters, split_filters};
use super::{from_json, parse_column, to_json};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;

stored_enum! {
    /// On what occasion Wharf creates a repository (ECR: `RCTAppliedFor`).
    pub enum Scenario {
        /// An image is replicated into a registry that has no such repository.
        Replication = "REPLICATION",
        /// An image is fetched from an upstream registry for the first time.
        PullThroughCache = "PULL_THROUGH_CACHE",
        /// An image is pushed to a repository that is not there.
        CreateOnPush = "CREATE_ON_PUSH",
    }
}

/// A template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreationTemplate {
    /// Its registry.
    pub registry: RegistryId,
    /// The names that it is for; unique in the registry but for a slash at its end.
    pub prefix: RepositoryPrefix,
    /// What people say about it; never empty.
    pub description: Option<String>,
    /// What new repositories are encrypted with.
    pub encryption_type: EncryptionType,
    /// The ARN of the KMS key, if one is named.
    pub kms_key: Option<KmsKeyArn>,
    /// Resource tags of new repositories, in the order in which they were given.
    pub resource_tags: Vec<(String, String)>,
    /// Whether tags of new repositories may move.
    pub tag_mutability: TagMutability,
    /// The exclusions from `tag_mutability`; empty unless the mode takes them.
    pub tag_mutability_filters: Vec<TagFilter>,
    /// The repository policy of new repositories, as given.
    pub repository_policy: Option<String>,
    /// Their lifecycle policy, as given.
    pub lifecycle_policy: Option<String>,
    /// The occasions that it is for; at least one.
    pub applied_for: Vec<Scenario>,
    /// The role that ECR would create repositories as; kept and shown.
    pub custom_role_arn: Option<String>,
    /// Creation time.
    pub created_at_ms: i64,
    /// Time of the last change.
    pub updated_at_ms: i64,
}

const COLUMNS: &str = "account_id, region, prefix, description, encryption_type, kms_key, resource_tags, \
                       tag_mutability, tag_mutability_filters, repository_policy, lifecycle_policy, applied_for, \
                       custom_role_arn, created_at_ms, updated_at_ms";
const TABLE: PrefixTable = PrefixTable { name: "creation_templates", columns: COLUMNS };

fn from_row(row: &Row) -> Result<CreationTemplate, StoreError> {
    let text = |at| Ok::<_, StoreError>(row.opt_text(at)?.map(str::to_owned));
    Ok(CreationTemplate {
        registry: RegistryId {
            account: parse_column(row.text(0)?, "creation_templates.account_id")?,
            region: parse_column(row.text(1)?, "creation_templates.region")?,
        },
        prefix: parse_column(row.text(2)?, "creation_templates.prefix")?,
        description: text(3)?,
        encryption_type: parse_column(row.text(4)?, "creation_templates.encryption_type")?,
        kms_key: row.opt_text(5)?.map(|text| parse_column(text, "creation_templates.kms_key")).transpose()?,
        resource_tags: from_json(row.text(6)?, "creation_templates.resource_tags")?,
        tag_mutability: parse_column(row.text(7)?, "creation_templates.tag_mutability")?,
        tag_mutability_filters: split_filters(row.text(8)?, "creation_templates.tag_mutability_filters")?,
        repository_policy: text(9)?,
        lifecycle_policy: text(10)?,
        applied_for: row
            .text(11)?
            .split_whitespace()
            .map(|scenario| parse_column(scenario, "creation_templates.applied_for"))
            .collect::<Result<_, _>>()?,
        custom_role_arn: text(12)?,
        created_at_ms: row.int(13)?,
        updated_at_ms: row.int(14)?,
    })
}

fn join_scenarios(scenarios: &[Scenario]) -> String {
    scenarios.iter().map(|scenario| scenario.as_str()).collect::<Vec<_>>().join(" ")
}

/// Adds a template; `false` if there is one for the prefix.
pub fn insert(tx: &mut dyn Tx, new: &CreationTemplate) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        &format!(
            "INSERT INTO creation_templates ({COLUMNS}, prefix_key) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
             ON CONFLICT (account_id, region, prefix_key) DO NOTHING"
        ),
        &[
            new.registry.account.as_str().into(),
            new.registry.region.as_str().into(),
            new.prefix.as_str().into(),
            new.description.as_deref().into(),
            new.encryption_type.as_str().into(),
            new.kms_key.as_ref().map(KmsKeyArn::as_str).into(),
            to_json(&new.resource_tags).into(),
            new.tag_mutability.as_str().into(),
            join_filters(&new.tag_mutability_filters).into(),
            new.repository_policy.as_deref().into(),
            new.lifecycle_policy.as_deref().into(),
            join_scenarios(&new.applied_for).into(),
            new.custom_role_arn.as_deref().into(),
            new.created_at_ms.into(),
            new.updated_at_ms.into(),
            new.prefix.key().into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Stores a template as changed, in place of the one for the same prefix. Its prefix and creation time stay.
pub fn update(tx: &mut dyn Tx, template: &CreationTemplate) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE creation_templates SET description = $1, encryption_type = $2, kms_key = $3, resource_tags = $4, \
         tag_mutability = $5, tag_mutability_filters = $6, repository_policy = $7, lifecycle_policy = $8, \
         applied_for = $9, custom_role_arn = $10, updated_at_ms = $11 \
         WHERE account_id = $12 AND region = $13 AND prefix_key = $14",
        &[
            template.description.as_deref().into(),
            template.encryption_type.as_str().into(),
            template.kms_key.as_ref().map(KmsKeyArn::as_str).into(),
            to_json(&template.resource_tags).into(),
            template.tag_mutability.as_str().into(),
            join_filters(&template.tag_mutability_filters).into(),
            template.repository_policy.as_deref().into(),
            template.lifecycle_policy.as_deref().into(),
            join_scenarios(&template.applied_for).into(),
            template.custom_role_arn.as_deref().into(),
            template.updated_at_ms.into(),
            template.registry.account.as_str().into(),
            template.registry.region.as_str().into(),
            template.prefix.key().into(),
        ],
    )?;
    Ok(())
}

/// The template for a prefix.
pub fn find(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    prefix: &RepositoryPrefix,
) -> Result<Option<CreationTemplate>, StoreError> {
    TABLE.find(tx, registry, prefix)?.as_ref().map(from_row).transpose()
}

/// Up to `limit` templates in the order of their prefixes' keys, from the first after `after` (an empty text: the first).
pub fn list(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    after: &str,
    limit: usize,
) -> Result<Vec<CreationTemplate>, StoreError> {
    TABLE.list(tx, registry, after, limit, from_row)
}

/// How many templates a registry has.
pub fn count(tx: &mut dyn Tx, registry: &RegistryId) -> Result<i64, StoreError> {
    TABLE.count(tx, registry)
}

/// The template that a repository of this name is created from: of those for the occasion the one with the longest
/// prefix, and `ROOT` only if no other covers the name (reference/replication-cache-templates.md 3).
pub fn find_for(
    tx: &mut dyn Tx,
    repository: &RepositoryRef,
    scenario: Scenario,
) -> Result<Option<CreationTemplate>, StoreError> {
    for row in &TABLE.covering(tx, repository)? {
        let template = from_row(row)?;
        if template.applied_for.contains(&scenario) {
            return Ok(Some(template));
        }
    }
    Ok(None)
}

/// Removes the template for a prefix; `false` if there is none.
pub fn delete(tx: &mut dyn Tx, registry: &RegistryId, prefix: &RepositoryPrefix) -> Result<bool, StoreError> {
    TABLE.delete(tx, registry, prefix)
}

/// A template, by its place, with the repository policy that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplatePolicy {
    account: String,
    region: String,
    prefix_key: String,
    /// The policy, as given.
    pub policy: String,
}

/// Every template that has a repository policy.
pub fn list_policies(tx: &mut dyn Tx) -> Result<Vec<TemplatePolicy>, StoreError> {
    let sql = "SELECT account_id, region, prefix_key, repository_policy FROM creation_templates \
               WHERE repository_policy IS NOT NULL";
    tx.query(sql, &[])?
        .iter()
        .map(|row| {
            let text = |at| Ok::<_, StoreError>(row.text(at)?.to_owned());
            Ok(TemplatePolicy { account: text(0)?, region: text(1)?, prefix_key: text(2)?, policy: text(3)? })
        })
        .collect()
}

/// Stores the repository policy of a template.
pub fn set_policy(tx: &mut dyn Tx, template: &TemplatePolicy) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE creation_templates SET repository_policy = $1 WHERE account_id = $2 AND region = $3 AND prefix_key = $4",
        &[
            template.policy.as_str().into(),
            template.account.as_str().into(),
            template.region.as_str().into(),
            template.prefix_key.as_str().into(),
        ],
    )?;
    Ok(())
}
