//! The rules of resource tags (reference/repositories-images.md 6), with the texts that ECR answers.

use api::grammar::{TagPart, TagViolation, TagWording};

use super::constraints::Words;
use super::errors::EcrError;

impl TagWording for Words {
    const TAG_KEY: &'static str = "tags.member.Key";
    const TAG_VALUE: &'static str = "tags.member.Value";
    const COUNTS_FIRST: bool = false;

    fn tag_text(_: &str, part: TagPart<'_>, text: &str) -> Result<(), EcrError> {
        let (length, has_nul) = (text.chars().count(), text.contains('\0'));
        match part {
            TagPart::Key if !(1..=128).contains(&length) => {
                Err(EcrError::InvalidTag("A tag key must be 1 to 128 characters long".to_owned()))
            }
            TagPart::Key if has_nul => Err(EcrError::InvalidTag("A tag key must not hold a NUL character".to_owned())),
            TagPart::ValueOf(key) if length > 256 => {
                Err(EcrError::InvalidTag(format!("The value of tag '{key}' must be at most 256 characters long")))
            }
            TagPart::ValueOf(key) if has_nul => {
                Err(EcrError::InvalidTag(format!("The value of tag '{key}' must not hold a NUL character")))
            }
            TagPart::Key | TagPart::ValueOf(_) => Ok(()),
        }
    }

    fn refuse_tags(violation: TagViolation<'_>) -> EcrError {
        match violation {
            TagViolation::TooMany => EcrError::TooManyTags,
            TagViolation::Reserved(key) => {
                EcrError::InvalidTag(format!("The tag key '{key}' must not begin with 'aws:', which is reserved"))
            }
            TagViolation::Repeated(key) => EcrError::InvalidTag(format!("The tag key '{key}' is given more than once")),
        }
    }
}
