//! Which members a shape has: what serde reads of an object, and what it passes over.

use std::fmt::{self, Display};

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// The members of a structure by their names on the wire; none if that is no structure, or one that holds the members of
/// another, whose names nobody tells.
pub fn members_of<T: for<'de> Deserialize<'de>>() -> Option<&'static [&'static str]> {
    let mut found = None;
    let _nothing_is_read = T::deserialize(Asked(&mut found));
    found
}

/// A document without content, which takes down what it is asked for.
struct Asked<'f>(&'f mut Option<&'static [&'static str]>);

/// That there is no content.
#[derive(Debug)]
struct NoContent;

impl Display for NoContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no content")
    }
}

impl std::error::Error for NoContent {}

impl Error for NoContent {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = NoContent;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoContent> {
        Err(NoContent)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        members: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, NoContent> {
        *self.0 = Some(members);
        Err(NoContent)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, NoContent> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Plain {
        repository_name: String,
        #[serde(rename = "KMSKey", default)]
        key: Option<String>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Wrapped(Plain);

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Mixed {
        text: String,
        #[serde(flatten)]
        plain: Plain,
    }

    #[test]
    fn members_are_told() {
        let names: &[&str] = &["repositoryName", "KMSKey"];
        assert_eq!(members_of::<Plain>(), Some(names));
        assert_eq!(members_of::<Wrapped>(), Some(names));
        assert_eq!(members_of::<Mixed>(), None);
        assert_eq!(members_of::<()>(), None);
    }
}
