//! What a record tells those whose things another account reached for: of the request only what names these things.

use aws::AccountId;
use serde_json::{Map, Value};

use super::event::AuditedResource;

/// Members that name images of the repository that a request names.
const OF_REPOSITORIES: [&str; 6] = ["imageIds", "imageId", "imageTag", "imageDigest", "layerDigests", "layerDigest"];

/// Of a request's parameters those that name the account or something of it; null if there are none.
pub(super) fn naming(asked: &Value, account: AccountId, resources: &[AuditedResource]) -> Value {
    let owned = Names { account, resources };
    let mut named = owned.of(asked).unwrap_or(Value::Null);
    if let (Some(asked), Some(named)) = (asked.as_object(), named.as_object_mut())
        && named.contains_key("repositoryName")
        && named.get("registryId").and_then(Value::as_str) == Some(account.as_str())
    {
        let images = asked.iter().filter(|(member, _)| OF_REPOSITORIES.contains(&member.as_str()));
        named.extend(images.map(|(member, value)| (member.clone(), value.clone())));
    }
    named
}

/// How requests name an account and what it has.
struct Names<'a> {
    account: AccountId,
    resources: &'a [AuditedResource],
}

impl Names<'_> {
    /// What of a value names them.
    fn of(&self, value: &Value) -> Option<Value> {
        match value {
            Value::String(text) => self.contains(text).then(|| value.clone()),
            Value::Array(items) => {
                let named: Vec<Value> = items.iter().filter_map(|item| self.of(item)).collect();
                (!named.is_empty()).then_some(Value::Array(named))
            }
            Value::Object(members) => {
                let named = members.iter().filter_map(|(member, value)| Some((member.clone(), self.of(value)?)));
                let named: Map<String, Value> = named.collect();
                (!named.is_empty()).then_some(Value::Object(named))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => None,
        }
    }

    fn contains(&self, text: &str) -> bool {
        let is_of_account = text.starts_with("arn:") && text.split(':').nth(4) == Some(self.account.as_str());
        let is = |resource: &AuditedResource| resource.arn == text || resource.name.as_deref() == Some(text);
        text == self.account.as_str() || is_of_account || self.resources.iter().any(is)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use store::tables::registry_id::RegistryId;

    use super::*;
    use crate::testing::{ACCOUNT, OTHER_ACCOUNT};

    fn owner() -> AccountId {
        ACCOUNT.parse().expect("an id")
    }

    #[test]
    fn only_what_is_named_of_the_owners_is_told() {
        let id = "0f5b1c1e-5f0c-4bd3-9d6f-0d9e7a9c2a11";
        let key = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{id}");
        let own = format!("arn:aws:kms:us-east-1:{OTHER_ACCOUNT}:key/{id}");
        let alias = format!("arn:aws:kms:us-east-1:{ACCOUNT}:alias/shared");
        let resources = [AuditedResource::own(&key, owner())];
        let named = |asked: &Value| naming(asked, owner(), &resources);
        for name in [&key, id, &alias] {
            let asked = json!({
                "sourceKeyId": "alias/private", "destinationKeyId": name, "ciphertextBlob": "c", "encryptionContext": {"a": "b"}
            });
            assert_eq!(named(&asked), json!({ "destinationKeyId": name }));
        }
        let listed = json!({ "secretIdList": ["private", own, key], "maxResults": 3, "x": [["private"], {"y": true}] });
        assert_eq!(named(&listed), json!({ "secretIdList": [key] }));
        for nothing in [json!({ "keyId": own }), Value::Null, json!("private"), json!({})] {
            assert_eq!(named(&nothing), Value::Null);
        }
    }

    #[test]
    fn images_are_told_to_the_owner_of_the_repository() {
        let registry = RegistryId { account: owner(), region: "us-east-1".parse().expect("a region") };
        let resources = [AuditedResource::repository(&registry, "shared")];
        let asked = json!({
            "registryId": ACCOUNT, "repositoryName": "shared", "imageIds": [{"imageTag": "v1"}], "other": "private"
        });
        let expected = json!({ "registryId": ACCOUNT, "repositoryName": "shared", "imageIds": [{"imageTag": "v1"}] });
        assert_eq!(naming(&asked, owner(), &resources), expected);
        let of_another =
            json!({ "registryId": OTHER_ACCOUNT, "repositoryName": "shared", "imageIds": [{"imageTag": "v1"}] });
        assert_eq!(naming(&of_another, owner(), &resources), json!({ "repositoryName": "shared" }));
    }
}
