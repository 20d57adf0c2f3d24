//! Names in URLs and in calls, changed: what is taken is what the rule says that is shown to people.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use mutate::Form;
use oci::{
    Digest, DigestError, MediaType, Reference, RepositoryName, RepositoryPrefix, Tag, TagFilter, is_digest_like,
};
use regex::Regex;

const NAMES: [&str; 8] = [
    "library/alpine",
    "team-a/service.one/app__x",
    "a--b/c.d/0",
    "ROOT",
    "prod/",
    "v1.2.3-rc.1",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "_latest",
];
const FILTERS: [&str; 5] = ["*", "dev-*", "*-rc*", "release-*.1", "latest"];
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/json; charset=utf-8",
    "*/*;q=0.8",
];

/// Reads a name; what was read is the text itself, and is read again.
fn read<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let name = text.parse::<T>().ok()?;
    assert_eq!(name.to_string(), text);
    assert_eq!(name.to_string().parse::<T>().ok().as_ref(), Some(&name));
    Some(name)
}

#[test]
fn names() {
    let rule = |pattern: &str| Regex::new(&format!("^(?:{pattern})$")).expect("a pattern");
    let (of_name, of_prefix, of_tag) =
        (rule(RepositoryName::PATTERN), rule(RepositoryPrefix::PATTERN), rule(Tag::PATTERN));
    let of_digest = rule("[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+");
    mutate::texts(Form::Text, &NAMES, 4_000, |text| {
        let name = read::<RepositoryName>(text);
        let is_long_enough = (RepositoryName::MIN..=RepositoryName::MAX).contains(&text.len());
        assert_eq!(name.is_some(), is_long_enough && of_name.is_match(text), "{text}");
        let prefix = read::<RepositoryPrefix>(text);
        assert_eq!(prefix.is_some(), text.len() <= RepositoryPrefix::MAX && of_prefix.is_match(text), "{text}");
        let tag = read::<Tag>(text);
        assert_eq!(tag.is_some(), of_tag.is_match(text), "{text}");
        assert_eq!(is_digest_like(text), of_digest.is_match(text), "{text}");
        let digest = read::<Digest>(text);
        assert!(digest.is_none() || is_digest_like(text), "{text}");
        assert!(is_digest_like(text) || text.parse::<Digest>() != Err(DigestError::UnsupportedAlgorithm), "{text}");
        // A reference is one or the other.
        let reference = match (tag, digest) {
            (Some(tag), None) => Some(Reference::Tag(tag)),
            (None, digest) => digest.map(Reference::Digest),
            (Some(_), Some(_)) => panic!("{text} is a tag and a digest"),
        };
        assert_eq!(read::<Reference>(text), reference);
        if let (Some(name), Some(prefix)) = (name, prefix) {
            let inside: Option<RepositoryName> = format!("{name}/x").parse().ok();
            assert!(!prefix.covers(&name) && inside.is_none_or(|inside| prefix.covers(&inside)), "{text}");
        }
    });
}

#[test]
fn filters_of_tags() {
    let rule = Regex::new("^[0-9a-zA-Z._*-]{1,128}$").expect("a pattern");
    let tags: Vec<Tag> = ["latest", "dev-1", "v1-rc", "release-2.1"].map(|tag| tag.parse().expect("a tag")).into();
    mutate::texts(Form::Text, &FILTERS, 4_000, |text| {
        let filter = read::<TagFilter>(text);
        assert_eq!(filter.is_some(), rule.is_match(text) && text.matches('*').count() <= 2, "{text}");
        let Some(filter) = filter else { return };
        let as_pattern = regex::escape(text).replace(r"\*", ".*");
        let pattern = Regex::new(&format!("^{as_pattern}$")).expect("a pattern");
        for tag in &tags {
            assert_eq!(filter.matches(tag), pattern.is_match(tag.as_str()), "{text} on {tag}");
        }
    });
}

#[test]
fn media_types() {
    mutate::texts(Form::Text, &MEDIA_TYPES, 8_000, |text| {
        let Ok(media_type) = text.parse::<MediaType>() else { return };
        assert!(text.trim_start().starts_with(media_type.as_str()) && media_type.as_str().len() <= 255, "{text}");
        assert_eq!(read::<MediaType>(media_type.as_str()), Some(media_type.clone()));
        assert_eq!(media_type.to_lowercase().as_str(), media_type.as_str().to_ascii_lowercase());
        assert_eq!(format!("{media_type}; a=b").parse(), Ok(media_type));
    });
}
