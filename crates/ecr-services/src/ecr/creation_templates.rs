//! Repository creation templates (reference/replication-cache-templates.md 3): their shape and their rules.

use access::action::Action;
use access::auth::authorize::Need;
use access::kms::aws_managed::ECR_ALIAS;
use api::grammar::{Bounds, MAX_TAGS, Tag, Violation, Wording};
use api::protocols::operation::Call;
use aws::{Arn, Timestamp};
use oci::{RepositoryPrefix, RepositoryPrefixError, TagFilter};
use registry::images::encryption;
use serde::{Deserialize, Serialize};
use store::tables::creation_templates::{CreationTemplate, Scenario};
use store::tables::kms_keys::KmsKeyArn;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{EncryptionType, TagMutability};

use super::constraints::{self, Check, NewerCheck, NewerWords, Words};
use super::errors::EcrError;
use super::shapes::{self, EncryptionConfiguration, ExclusionFilter};

/// Most templates of a registry, as of pull-through cache rules (reference/repositories-images.md 7; inferred).
pub const MAX_TEMPLATES: i64 = 50;

/// `RepositoryCreationTemplate`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryCreationTemplate {
    prefix: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    encryption_configuration: EncryptionConfiguration,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource_tags: Vec<Tag>,
    image_tag_mutability: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_tag_mutability_exclusion_filters: Vec<ExclusionFilter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle_policy: Option<String>,
    applied_for: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_role_arn: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<CreationTemplate> for RepositoryCreationTemplate {
    fn from(stored: CreationTemplate) -> Self {
        Self {
            prefix: stored.prefix.to_string(),
            description: stored.description,
            encryption_configuration: EncryptionConfiguration::new(stored.encryption_type, stored.kms_key.as_ref()),
            resource_tags: Tag::list(&stored.resource_tags),
            image_tag_mutability: stored.tag_mutability.as_str(),
            image_tag_mutability_exclusion_filters: ExclusionFilter::list(&stored.tag_mutability_filters),
            repository_policy: stored.repository_policy,
            lifecycle_policy: stored.lifecycle_policy,
            applied_for: stored.applied_for.into_iter().map(Scenario::as_str).collect(),
            custom_role_arn: stored.custom_role_arn,
            created_at: Timestamp::from_ms(stored.created_at_ms),
            updated_at: Timestamp::from_ms(stored.updated_at_ms),
        }
    }
}

/// The output of the operations on one template.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateOutput {
    registry_id: String,
    repository_creation_template: RepositoryCreationTemplate,
}

impl From<CreationTemplate> for TemplateOutput {
    fn from(stored: CreationTemplate) -> Self {
        Self { registry_id: stored.registry.account.to_string(), repository_creation_template: stored.into() }
    }
}

/// The input of the operations that create and change a template.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateMembers {
    prefix: Option<String>,
    description: Option<String>,
    encryption_configuration: Option<EncryptionMembers>,
    resource_tags: Option<Vec<Tag>>,
    image_tag_mutability: Option<String>,
    image_tag_mutability_exclusion_filters: Option<Vec<ExclusionFilter>>,
    repository_policy: Option<String>,
    lifecycle_policy: Option<String>,
    applied_for: Option<Vec<String>>,
    custom_role_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EncryptionMembers {
    encryption_type: Option<String>,
    kms_key: Option<String>,
}

/// The same, validated. What is absent stays as it is, and an empty text takes away.
#[derive(Clone)]
pub struct TemplateChanges {
    /// Which template.
    pub prefix: RepositoryPrefix,
    description: Option<String>,
    encryption: Option<(EncryptionType, Option<KmsKeyArn>)>,
    resource_tags: Option<Vec<(String, String)>>,
    tag_mutability: Option<TagMutability>,
    tag_mutability_filters: Option<Vec<TagFilter>>,
    repository_policy: Option<String>,
    lifecycle_policy: Option<String>,
    /// Never empty.
    pub applied_for: Option<Vec<Scenario>>,
    custom_role_arn: Option<String>,
}

impl TemplateMembers {
    /// Checks all that can be checked without the stored template.
    pub fn check(self, call: &Call<'_>) -> Result<TemplateChanges, EcrError> {
        let prefix = prefix("prefix", self.prefix)?;
        if let Some(text) = &self.description {
            NewerCheck::length("description", text, 0, 256)?;
        }
        if let Some(text) = self.repository_policy.as_deref().filter(|text| !text.is_empty()) {
            constraints::policy(call, iam::PolicyKind::Repository, text)?;
        }
        if let Some(text) = self.lifecycle_policy.as_deref().filter(|text| !text.is_empty()) {
            constraints::lifecycle_policy(text)?;
        }
        if let Some(text) = self.custom_role_arn.as_deref().filter(|text| !text.is_empty()) {
            custom_role(call, text)?;
        }
        Ok(TemplateChanges {
            prefix,
            description: self.description,
            encryption: self.encryption_configuration.map(encryption).transpose()?,
            resource_tags: self.resource_tags.map(template_tags).transpose()?,
            tag_mutability: self.image_tag_mutability.as_deref().map(shapes::mutability_mode).transpose()?,
            tag_mutability_filters: self
                .image_tag_mutability_exclusion_filters
                .map(shapes::exclusion_filters)
                .transpose()?,
            repository_policy: self.repository_policy,
            lifecycle_policy: self.lifecycle_policy,
            applied_for: self.applied_for.map(applied_for).transpose()?,
            custom_role_arn: self.custom_role_arn,
        })
    }
}

impl TemplateChanges {
    /// A new template. Every occasion that it is for must be named.
    pub fn create(self, registry: RegistryId, now_ms: i64) -> Result<CreationTemplate, EcrError> {
        let empty = CreationTemplate {
            registry,
            prefix: self.prefix.clone(),
            description: None,
            encryption_type: EncryptionType::Aes256,
            kms_key: None,
            resource_tags: Vec::new(),
            tag_mutability: TagMutability::Mutable,
            tag_mutability_filters: Vec::new(),
            repository_policy: None,
            lifecycle_policy: None,
            applied_for: Vec::new(),
            custom_role_arn: None,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
        };
        NewerCheck::required("appliedFor", self.applied_for.as_ref())?;
        self.apply(empty, now_ms)
    }

    /// The template with the changes. Filters stay as long as the mode takes them.
    pub fn apply(self, mut template: CreationTemplate, now_ms: i64) -> Result<CreationTemplate, EcrError> {
        let change = |stored: &mut Option<String>, given: Option<String>| {
            if let Some(text) = given {
                *stored = Some(text).filter(|text| !text.is_empty());
            }
        };
        change(&mut template.description, self.description);
        change(&mut template.repository_policy, self.repository_policy);
        change(&mut template.lifecycle_policy, self.lifecycle_policy);
        change(&mut template.custom_role_arn, self.custom_role_arn);
        if let Some((encryption_type, kms_key)) = self.encryption {
            (template.encryption_type, template.kms_key) = (encryption_type, kms_key);
        }
        if let Some(tags) = self.resource_tags {
            template.resource_tags = tags;
        }
        if let Some(scenarios) = self.applied_for {
            template.applied_for = scenarios;
        }
        let mode = self.tag_mutability.unwrap_or(template.tag_mutability);
        let stored =
            Some(template.tag_mutability_filters).filter(|filters| mode.takes_filters() && !filters.is_empty());
        let filters = self.tag_mutability_filters.or(stored);
        (template.tag_mutability, template.tag_mutability_filters) = shapes::with_filters(mode, filters)?;
        template.updated_at_ms = now_ms;
        Ok(template)
    }

    /// What whoever puts these into a template must be allowed to do, beside the operation itself.
    pub fn needs(&self, action: Action, registry: &RegistryId) -> Vec<Need> {
        let encryption = self.encryption.as_ref();
        let deeds = Deeds {
            repository_policy: self.repository_policy.as_deref(),
            lifecycle_policy: self.lifecycle_policy.as_deref(),
            encryption: encryption.map(|(encryption_type, key)| (*encryption_type, key.as_ref())),
            custom_role: self.custom_role_arn.as_deref(),
        };
        std::iter::once(Need::anywhere(action)).chain(deeds.needs(registry, &self.prefix)).collect()
    }
}

/// What whoever leaves a template like this must be allowed to do.
pub fn needs_of(template: &CreationTemplate) -> Vec<Need> {
    let deeds = Deeds {
        repository_policy: template.repository_policy.as_deref(),
        lifecycle_policy: template.lifecycle_policy.as_deref(),
        encryption: Some((template.encryption_type, template.kms_key.as_ref())),
        custom_role: template.custom_role_arn.as_deref(),
    };
    deeds.needs(&template.registry, &template.prefix)
}

/// What a template does to repositories that takes a right of its own. An empty text is none.
struct Deeds<'a> {
    repository_policy: Option<&'a str>,
    lifecycle_policy: Option<&'a str>,
    /// The type, and the key if one is named.
    encryption: Option<(EncryptionType, Option<&'a KmsKeyArn>)>,
    custom_role: Option<&'a str>,
}

impl Deeds<'_> {
    /// The rights to all that the template will do (ECR User Guide, 'IAM permissions for creating repository creation
    /// templates').
    fn needs(&self, registry: &RegistryId, prefix: &RepositoryPrefix) -> Vec<Need> {
        let names = if prefix.is_root() { "*".to_owned() } else { format!("{}/*", prefix.key()) };
        let on_names = |action| Need::on_repository(action, registry, &names);
        let is_given = |text: Option<&str>| text.is_some_and(|text| !text.is_empty());
        let mut needs = vec![on_names(Action::EcrCreateRepository)];
        if is_given(self.repository_policy) {
            needs.push(on_names(Action::EcrSetRepositoryPolicy));
        }
        if is_given(self.lifecycle_policy) {
            needs.push(on_names(Action::EcrPutLifecyclePolicy));
        }
        // Here the server's own right to the key comes from whoever makes the template: it needs no role.
        if let Some((encryption_type, key)) = self.encryption
            && encryption_type != EncryptionType::Aes256
        {
            let key = key.map_or(ECR_ALIAS, KmsKeyArn::as_str);
            if let Ok(key) = access::kms::key_ref(registry.account, &registry.region, key) {
                needs.extend(encryption::needs_on_key(&key, registry, &names));
            }
        }
        if let Some(role) = self.custom_role.filter(|role| !role.is_empty()) {
            needs.push(
                Need::on(Action::IamPassRole, role.to_owned()).with("iam:PassedToService", ["ecr.amazonaws.com"]),
            );
        }
        needs
    }
}

/// A template's prefix.
pub fn prefix(member: &'static str, text: Option<String>) -> Result<RepositoryPrefix, EcrError> {
    let text = NewerCheck::required(member, text)?;
    let bounds = Bounds { min: 1, max: RepositoryPrefix::MAX };
    text.parse().map_err(|error| {
        let violation = match error {
            RepositoryPrefixError::TooShort => Violation::TooShort(bounds),
            RepositoryPrefixError::TooLong => Violation::TooLong(bounds),
            RepositoryPrefixError::Pattern => Violation::Pattern(RepositoryPrefix::PATTERN),
        };
        NewerWords::refuse(member, Some(&text), violation)
    })
}

fn encryption(members: EncryptionMembers) -> Result<(EncryptionType, Option<KmsKeyArn>), EcrError> {
    const TYPE: &str = "encryptionConfiguration.encryptionType";
    const KEY: &str = "encryptionConfiguration.kmsKey";
    let given = NewerCheck::required(TYPE, members.encryption_type)?;
    let encryption_type = NewerCheck::one_of(TYPE, &given, &EncryptionType::ALL, EncryptionType::as_str)?;
    let key = members.kms_key.filter(|key| !key.is_empty());
    let Some(key) = key else { return Ok((encryption_type, None)) };
    NewerCheck::length(KEY, &key, 0, 2048)?;
    let arn: KmsKeyArn = NewerCheck::parsed(KEY, &key, &format!("^$|{}", KmsKeyArn::PATTERN))?;
    if encryption_type == EncryptionType::Aes256 {
        return Err(EcrError::parameter("kmsKey", "must not be given with encryptionType 'AES256'"));
    }
    Ok((encryption_type, Some(arn)))
}

/// Resource tags as CreateRepository takes them; the errors that it has for them are none of these operations'.
fn template_tags(tags: Vec<Tag>) -> Result<Vec<(String, String)>, EcrError> {
    Check::tags(Some(tags)).map_err(|error| match error {
        EcrError::InvalidTag(message) => EcrError::parameter("resourceTags", message),
        EcrError::TooManyTags => {
            let bounds = Bounds { min: 0, max: MAX_TAGS };
            Words::refuse("resourceTags", None, Violation::TooMany(bounds))
        }
        other => other,
    })
}

fn applied_for(values: Vec<String>) -> Result<Vec<Scenario>, EcrError> {
    if values.is_empty() {
        return Err(EcrError::validation(
            "appliedFor",
            Some("[]"),
            "Member must have length greater than or equal to 1",
        ));
    }
    let mut scenarios = Vec::new();
    for text in values {
        let scenario: Scenario = text.parse().map_err(|()| {
            let rule = "Member must satisfy enum value set: [REPLICATION, PULL_THROUGH_CACHE, CREATE_ON_PUSH]";
            EcrError::validation("appliedFor", Some(&text), rule)
        })?;
        if !scenarios.contains(&scenario) {
            scenarios.push(scenario);
        }
    }
    Ok(scenarios)
}

/// A role of the caller's account; whether it is there is a matter of its use (reference/replication-cache-templates.md 3).
pub(super) fn custom_role(call: &Call<'_>, text: &str) -> Result<(), EcrError> {
    NewerCheck::length("customRoleArn", text, 0, 2048)?;
    let is_own_role = text.parse::<Arn>().is_ok_and(|arn| {
        let name = arn.resource().strip_prefix("role/");
        arn.service() == "iam"
            && arn.account() == call.caller.account.as_str()
            && name.is_some_and(|name| !name.is_empty())
    });
    if is_own_role {
        return Ok(());
    }
    Err(EcrError::parameter("customRoleArn", "must be the ARN of an IAM role of the registry's account"))
}
