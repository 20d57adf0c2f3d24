//! Tags of users, roles, policies and providers: their shape, their rules, and the three operations on them, written
//! once for each [`Tagged`] kind of resource.

use access::action::Action;
use access::auth::authorize::Need;
use api::grammar::{
    Bounds, MAX_TAGS, TAG_CHARACTERS, Tag, TagPart, TagViolation, TagWording, Violation, Wording, has_tag_characters,
};
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;

use super::constraints::{self, Check, Words};
use super::errors::IamError;
use super::operation::{Access, IamOperation};
use super::paging::{Page, PageInput, PageOutput};

impl TagWording for Words {
    const TAG_KEY: &'static str = "tags.{n}.member.key";
    const TAG_VALUE: &'static str = "tags.{n}.member.value";
    const UNTAG_KEY: &'static str = "tagKeys.{n}.member";
    const RESERVES_LAST: bool = true;

    fn is_same_key(a: &str, b: &str) -> bool {
        a.to_lowercase() == b.to_lowercase()
    }

    fn tag_text(member: &str, part: TagPart<'_>, text: &str) -> Result<(), IamError> {
        Check::tag_length(member, part, text)?;
        let how_often = if part == TagPart::Key { '+' } else { '*' };
        Check::pattern(member, text, &format!("{TAG_CHARACTERS}{how_often}"), has_tag_characters(text))
    }

    fn refuse_tags(violation: TagViolation<'_>) -> IamError {
        match violation {
            TagViolation::TooMany => Self::refuse("tags", None, Violation::TooMany(Bounds { min: 0, max: MAX_TAGS })),
            TagViolation::Reserved(key) => IamError::InvalidInput(format!(
                "The tag key {key} is not valid: keys that begin with aws: are reserved for system use."
            )),
            TagViolation::Repeated(_) => IamError::InvalidInput(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
            ),
        }
    }
}

/// Checks a list of tags: at most 50, no key twice whatever its case, and none that begins with `aws:`. They are in the
/// order of their keys.
pub fn check(tags: Option<Vec<Tag>>) -> Result<Vec<(String, String)>, IamError> {
    let mut checked = Check::tags(tags)?;
    checked.sort_unstable();
    Ok(checked)
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
        let tags = check(Some(Check::required("tags", input.tags)?))?;
        Ok(Self { resource: T::check(call, input.name)?, tags })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.resource.need(call, T::TAG).with_request_tags(&self.tags)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut tags = self.resource.tags(tx)?;
        // A key in another case takes the place of what is there.
        tags.retain(|(known, _)| !self.tags.iter().any(|(key, _)| Words::is_same_key(known, key)));
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
        let keys = Check::list("tagKeys", input.tag_keys, 0, MAX_TAGS)?;
        Check::tag_keys(&keys)?;
        Ok(Self { resource: T::check(call, input.name)?, keys })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.resource.need(call, T::UNTAG).with("aws:TagKeys", &self.keys)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut tags = self.resource.tags(tx)?;
        tags.retain(|(known, _)| !self.keys.iter().any(|key| Words::is_same_key(known, key)));
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
    use runtime::aws_error::IntoAwsError;

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

    #[test]
    fn texts() {
        let tag = |key: &str, value: &str| Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        let failed = |value: &str, member: &str, constraint: &str| {
            format!(
                "ValidationError: 1 validation error detected: Value{value} at '{member}' failed to satisfy constraint: \
                 {constraint}"
            )
        };
        let pattern = r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]";
        for (tags, text) in [
            (
                (0..51).map(|number| tag(&number.to_string(), "")).collect(),
                failed("", "tags", "Member must have length less than or equal to 50"),
            ),
            (vec![tag("a", ""), tag("a*", "")], failed(" 'a*'", "tags.2.member.key", &format!("{pattern}+"))),
            (vec![tag("aws:", "*")], failed(" '*'", "tags.1.member.value", &format!("{pattern}*"))),
            (vec![Tag { key: None, value: None }], failed("", "tags.1.member.key", "Member must not be null")),
            (
                vec![tag("aws:a", "")],
                "InvalidInput: The tag key aws:a is not valid: keys that begin with aws: are reserved for system use."
                    .to_owned(),
            ),
            (
                vec![tag("ä", ""), tag("Ä", "")],
                "InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
            ),
        ] {
            let error = check(Some(tags)).expect_err("refused").into_aws_error(uuid::Uuid::nil());
            assert_eq!(format!("{}: {}", error.code, error.message), text);
        }
    }
}
