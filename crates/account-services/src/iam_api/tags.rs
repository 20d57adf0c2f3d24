//! Tags of users, roles, policies and providers: their shape, their rules, and the three operations on them, written
//! once for each [`Tagged`] kind of resource.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;

use super::constraints::{self, length, required};
use super::errors::IamError;
use super::operation::{Access, IamOperation};
use super::paging::{Page, PageInput, PageOutput};

/// A resource can have so many.
const MAX_TAGS: usize = 50;

/// `Tag`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    key: Option<String>,
    value: Option<String>,
}

impl Tag {
    /// Stored tags.
    pub fn list(tags: &[(String, String)]) -> Vec<Self> {
        tags.iter().map(|(key, value)| Self { key: Some(key.clone()), value: Some(value.clone()) }).collect()
    }
}

fn check_characters(member: &str, text: &str, quantifier: char) -> Result<(), IamError> {
    let is_allowed = |character: char| {
        character.is_alphanumeric()
            || (character.is_whitespace() && !character.is_control())
            || "_.:/=+-@".contains(character)
    };
    if text.chars().all(is_allowed) {
        return Ok(());
    }
    let pattern = r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]";
    Err(IamError::constraint(member, Some(text), format!("{pattern}{quantifier}")))
}

fn check_key(member: &str, key: &str) -> Result<(), IamError> {
    length(member, key, 1, 128)?;
    check_characters(member, key, '+')
}

/// Checks a list of tags: at most 50, no key twice whatever its case, and none that begins with `aws:`.
pub fn check(tags: Option<Vec<Tag>>) -> Result<Vec<(String, String)>, IamError> {
    let tags = tags.unwrap_or_default();
    if tags.len() > MAX_TAGS {
        let constraint = format!("Member must have length less than or equal to {MAX_TAGS}");
        return Err(IamError::constraint("tags", None, constraint));
    }
    let mut checked: Vec<(String, String)> = Vec::new();
    for (index, tag) in tags.into_iter().enumerate() {
        let (key_member, value_member) =
            (format!("tags.{}.member.key", index + 1), format!("tags.{}.member.value", index + 1));
        let key = required(&key_member, tag.key)?;
        let value = required(&value_member, tag.value)?;
        check_key(&key_member, &key)?;
        length(&value_member, &value, 0, 256)?;
        check_characters(&value_member, &value, '*')?;
        if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
            return Err(IamError::InvalidInput(format!(
                "The tag key {key} is not valid: keys that begin with aws: are reserved for system use."
            )));
        }
        if checked.iter().any(|(known, _)| is_same_key(known, &key)) {
            let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(IamError::InvalidInput(message.to_owned()));
        }
        checked.push((key, value));
    }
    checked.sort_unstable();
    Ok(checked)
}

fn is_same_key(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// A kind of resource that has tags.
pub trait Tagged: Sized + Send + Sync + 'static {
    /// The action that sets tags, and so on.
    const TAG: Action;
    const UNTAG: Action;
    const LIST_TAGS: Action;
    /// The member of the input that names the resource.
    type Name: for<'de> Deserialize<'de> + Send;

    /// The resource that is named.
    fn check(call: &Call<'_>, name: Self::Name) -> Result<Self, IamError>;
    /// A permission on it.
    fn need(&self, call: &Call<'_>, action: Action) -> Need;
    /// Its tags; it must exist.
    fn tags(&self, tx: &mut dyn Tx) -> Result<Vec<(String, String)>, IamError>;
    /// Stores its tags, in the order of their keys; it must exist.
    fn set_tags(&self, tx: &mut dyn Tx, tags: Vec<(String, String)>) -> Result<(), IamError>;
}

/// TagUser, TagRole, TagPolicy, TagOpenIDConnectProvider: sets tags.
pub struct TagResource<T> {
    resource: T,
    tags: Vec<(String, String)>,
}

/// What these operations take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagInput<N> {
    #[serde(flatten)]
    name: N,
    #[serde(default, deserialize_with = "constraints::list")]
    tags: Option<Vec<Tag>>,
}

impl<T: Tagged> IamOperation for TagResource<T> {
    const ACTION: Action = T::TAG;
    const ACCESS: Access = Access::Changes;
    type Input = TagInput<T::Name>;
    type Output = ();

    fn check(call: &Call<'_>, input: Self::Input) -> Result<Self, IamError> {
        let tags = check(Some(required("tags", input.tags)?))?;
        Ok(Self { resource: T::check(call, input.name)?, tags })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.resource.need(call, T::TAG).with_request_tags(&self.tags)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut tags = self.resource.tags(tx)?;
        // A key in another case takes the place of what is there.
        tags.retain(|(known, _)| !self.tags.iter().any(|(key, _)| is_same_key(known, key)));
        tags.extend(self.tags.iter().cloned());
        if tags.len() > MAX_TAGS {
            return Err(IamError::TooManyTags);
        }
        tags.sort_unstable();
        self.resource.set_tags(tx, tags)
    }
}

/// UntagUser, UntagRole, UntagPolicy, UntagOpenIDConnectProvider: takes tags away; those that are not there are fine.
pub struct UntagResource<T> {
    resource: T,
    keys: Vec<String>,
}

/// What these operations take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UntagInput<N> {
    #[serde(flatten)]
    name: N,
    #[serde(default, deserialize_with = "constraints::list")]
    tag_keys: Option<Vec<String>>,
}

impl<T: Tagged> IamOperation for UntagResource<T> {
    const ACTION: Action = T::UNTAG;
    const ACCESS: Access = Access::Changes;
    type Input = UntagInput<T::Name>;
    type Output = ();

    fn check(call: &Call<'_>, input: Self::Input) -> Result<Self, IamError> {
        let keys = required("tagKeys", input.tag_keys)?;
        if keys.len() > MAX_TAGS {
            let constraint = format!("Member must have length less than or equal to {MAX_TAGS}");
            return Err(IamError::constraint("tagKeys", None, constraint));
        }
        for (index, key) in keys.iter().enumerate() {
            check_key(&format!("tagKeys.{}.member", index + 1), key)?;
        }
        Ok(Self { resource: T::check(call, input.name)?, keys })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.resource.need(call, T::UNTAG).with("aws:TagKeys", &self.keys)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut tags = self.resource.tags(tx)?;
        tags.retain(|(known, _)| !self.keys.iter().any(|key| is_same_key(known, key)));
        self.resource.set_tags(tx, tags)
    }
}

/// ListUserTags, ListRoleTags, ListPolicyTags, ListOpenIDConnectProviderTags: tags in the order of their keys.
pub struct ListTags<T> {
    resource: T,
    page: Page,
}

/// What these operations take.
#[derive(Deserialize)]
pub struct ListTagsInput<N> {
    #[serde(flatten)]
    name: N,
    #[serde(flatten)]
    page: PageInput,
}

/// What these operations answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListTagsOutput {
    tags: Vec<Tag>,
    #[serde(flatten)]
    page: PageOutput,
}

impl<T: Tagged> IamOperation for ListTags<T> {
    const ACTION: Action = T::LIST_TAGS;
    const ACCESS: Access = Access::Reads;
    type Input = ListTagsInput<T::Name>;
    type Output = ListTagsOutput;

    fn check(call: &Call<'_>, input: Self::Input) -> Result<Self, IamError> {
        Ok(Self { resource: T::check(call, input.name)?, page: input.page.check()? })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.resource.need(call, T::LIST_TAGS)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<ListTagsOutput, IamError> {
        let (tags, page) = self.page.cut(self.resource.tags(tx)?, |(key, _)| key.clone());
        Ok(ListTagsOutput { tags: Tag::list(&tags), page })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        let tag = |key: &str, value: &str| Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        let long = "k".repeat(129);
        for (name, tags, is_valid) in [
            ("some", vec![tag("b", "1"), tag("a", ""), tag("ä/ö:=+-@ x", "Grün 1")], true),
            ("none", vec![], true),
            ("one key in two cases", vec![tag("a", "1"), tag("A", "2")], false),
            ("reserved", vec![tag("AWS:x", "1")], false),
            ("empty key", vec![tag("", "1")], false),
            ("long key", vec![tag(&long, "1")], false),
            ("long value", vec![tag("a", &"v".repeat(257))], false),
            ("a strange character", vec![tag("a*", "1")], false),
            ("too many", (0..51).map(|number| tag(&number.to_string(), "")).collect(), false),
        ] {
            assert_eq!(check(Some(tags)).is_ok(), is_valid, "{name}");
        }
    }
}
