//! Tags of resources: their shape on the wire, and their rules.

use serde::{Deserialize, Serialize};

use super::{Check, Wording};

/// So many tags can a resource have, of whichever service.
pub const MAX_TAGS: usize = 50;
const MAX_KEY: usize = 128;
const MAX_VALUE: usize = 256;

/// The characters of keys and values, where a service says which: a regular expression without how often.
pub const TAG_CHARACTERS: &str = r"[\p{L}\p{Z}\p{N}_.:/=+\-@]";

/// Whether a text has [`TAG_CHARACTERS`] alone.
pub fn has_tag_characters(text: &str) -> bool {
    text.chars().all(|character| {
        character.is_alphanumeric()
            || (character.is_whitespace() && !character.is_control())
            || "_.:/=+-@".contains(character)
    })
}

/// `Tag`, as all services but KMS have it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    /// Its key.
    pub key: Option<String>,
    /// Its value.
    pub value: Option<String>,
}

impl Tag {
    /// Tags that are stored.
    pub fn list(tags: &[(String, String)]) -> Vec<Self> {
        tags.iter().map(|(key, value)| Self { key: Some(key.clone()), value: Some(value.clone()) }).collect()
    }
}

/// One of the two texts of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagPart<'a> {
    /// The key.
    Key,
    /// The value of the tag with this key.
    ValueOf(&'a str),
}

/// What tags do not satisfy as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagViolation<'a> {
    /// There are more than [`MAX_TAGS`].
    TooMany,
    /// The key begins with `aws:`.
    Reserved(&'a str),
    /// The key is given more than once.
    Repeated(&'a str),
}

/// How a service words what is wrong with tags, and in what its rules differ.
pub trait TagWording: Wording {
    /// The member that is the key of a tag. `{n}` is which one it is, from 1.
    const TAG_KEY: &'static str;
    /// The member that is the value of a tag.
    const TAG_VALUE: &'static str;
    /// The member that is a key of tags that are to go.
    const UNTAG_KEY: &'static str = Self::TAG_KEY;
    /// Whether there must be a value; what is left out is empty otherwise.
    const VALUE_IS_REQUIRED: bool = true;
    /// Whether a list is too long before anything else is wrong with it. If not, what is wrong with its first tags is said.
    const COUNTS_FIRST: bool = true;
    /// Whether a key is refused as reserved after what is wrong with the value is said.
    const RESERVES_LAST: bool = false;

    /// The answer to tags that cannot be.
    fn refuse_tags(violation: TagViolation<'_>) -> Self::Error;

    /// Whether two keys are the same one.
    fn is_same_key(a: &str, b: &str) -> bool {
        a == b
    }

    /// Checks the text of a key or value.
    fn tag_text(member: &str, part: TagPart<'_>, text: &str) -> Result<(), Self::Error>
    where
        Self: Sized,
    {
        Check::<Self>::tag_length(member, part, text)
    }
}

impl<W: Wording> Check<W> {
    /// The length of a key, 1 to 128 characters, or of a value, at most 256.
    pub fn tag_length(member: &str, part: TagPart<'_>, text: &str) -> Result<(), W::Error> {
        match part {
            TagPart::Key => Self::length(member, text, 1, MAX_KEY),
            TagPart::ValueOf(_) => Self::length(member, text, 0, MAX_VALUE),
        }
    }
}

fn numbered(member: &str, index: usize) -> String {
    member.replace("{n}", &(index + 1).to_string())
}

impl<W: TagWording> Check<W> {
    /// A list of tags, in their order: at most 50, no key twice, and none that begins with `aws:`.
    pub fn tags(tags: Option<Vec<Tag>>) -> Result<Vec<(String, String)>, W::Error> {
        let tags = tags.unwrap_or_default();
        if W::COUNTS_FIRST && tags.len() > MAX_TAGS {
            return Err(W::refuse_tags(TagViolation::TooMany));
        }
        let mut checked: Vec<(String, String)> = Vec::with_capacity(tags.len().min(MAX_TAGS));
        for (index, tag) in tags.into_iter().enumerate() {
            let (key, value) = Self::tag(index, tag)?;
            if checked.iter().any(|(known, _)| W::is_same_key(known, &key)) {
                return Err(W::refuse_tags(TagViolation::Repeated(&key)));
            }
            checked.push((key, value));
            if checked.len() > MAX_TAGS {
                return Err(W::refuse_tags(TagViolation::TooMany));
            }
        }
        Ok(checked)
    }

    fn tag(index: usize, tag: Tag) -> Result<(String, String), W::Error> {
        let (key_member, value_member) = (numbered(W::TAG_KEY, index), numbered(W::TAG_VALUE, index));
        let key = Self::required(&key_member, tag.key)?;
        let value = match tag.value {
            None if !W::VALUE_IS_REQUIRED => String::new(),
            value => Self::required(&value_member, value)?,
        };
        W::tag_text(&key_member, TagPart::Key, &key)?;
        if !W::RESERVES_LAST {
            Self::not_reserved(&key)?;
        }
        W::tag_text(&value_member, TagPart::ValueOf(&key), &value)?;
        if W::RESERVES_LAST {
            Self::not_reserved(&key)?;
        }
        Ok((key, value))
    }

    /// The keys of tags that are to go.
    pub fn tag_keys(keys: &[String]) -> Result<(), W::Error> {
        for (index, key) in keys.iter().enumerate() {
            W::tag_text(&numbered(W::UNTAG_KEY, index), TagPart::Key, key)?;
            if !W::RESERVES_LAST {
                Self::not_reserved(key)?;
            }
        }
        Ok(())
    }

    fn not_reserved(key: &str) -> Result<(), W::Error> {
        match key.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case("aws:") => Err(W::refuse_tags(TagViolation::Reserved(key))),
            _ => Ok(()),
        }
    }
}
