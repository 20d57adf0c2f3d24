//! Inputs of operations as the API's models have them, for what reads a body or a form.

use std::collections::BTreeMap;

use aws::FormNumber;
use serde::{Deserialize, Serialize};

/// With a structure, lists of both, a map, an enumeration and every kind of plain value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Input {
    pub repository_name: Option<String>,
    pub tags: Option<Vec<Tag>>,
    pub image_tag_mutability: Option<Mutability>,
    pub image_ids: Option<Vec<ImageId>>,
    pub accepted_media_types: Vec<String>,
    pub image_scanning_configuration: Option<Scanning>,
    pub encryption_configuration: Option<Box<Input>>,
    pub attributes: Option<BTreeMap<String, Scanning>>,
    pub max_results: Option<i32>,
    pub part_first_byte: Option<i64>,
    pub append_only: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Tag {
    pub key: Option<String>,
    pub value: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Mutability {
    Mutable,
    Immutable,
    ImmutableWithExclusion,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageId {
    pub image_tag: Option<String>,
    pub image_digest: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Scanning {
    pub scan_on_push: Option<bool>,
}

/// What STS and IAM are asked, in a form.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FormInput {
    pub role_arn: Option<String>,
    pub role_session_name: Option<String>,
    pub policy_arns: Option<Vec<PolicyArn>>,
    pub tags: Vec<Tag>,
    pub transitive_tag_keys: Option<Vec<String>>,
    pub context_entries: Option<Vec<ContextEntry>>,
    #[serde(deserialize_with = "aws::number_text")]
    pub duration_seconds: Option<FormNumber>,
    #[serde(deserialize_with = "aws::bool_text")]
    pub set_as_default: Option<bool>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct PolicyArn {
    pub arn: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContextEntry {
    pub context_key_name: Option<String>,
    pub context_key_values: Option<Vec<String>>,
}
