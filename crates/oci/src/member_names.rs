//! Objects of a manifest whose members are written as the specifications write them.
//!
//! Clients in Go take `Layers` for `layers`, and the last of several that differ by case alone; others take the exact one.
//! A document with such a member would be one image to the registry that checks it and another to who pulls it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// What is read out of an object.
pub(crate) trait Members {
    /// Every member that a specification gives it, read or not.
    const KNOWN: &'static [&'static str];
}

/// The members of a platform (OCI image specification, "Image Index Property Descriptions"; Docker's manifest lists).
const PLATFORM: &[&str] = &["architecture", "os", "os.version", "os.features", "variant", "features"];

/// A JSON object: without this, serde would take a list of the members' values as well.
pub(crate) struct Object<T>(pub(crate) T);

/// A platform, which is not read.
pub(crate) struct Platform;

/// The letters that Go takes for `s` and `k` beside those of ASCII (Unicode, CaseFolding.txt: simple foldings).
fn folded(character: char) -> char {
    match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

/// Refuses a name that is a known one's in other letters.
fn check<E: Error>(name: &str, known: &[&str]) -> Result<(), E> {
    let alike = known.iter().find(|known| name.chars().map(folded).eq(known.chars().map(folded)));
    match alike {
        Some(known) if *known != name => {
            Err(E::custom(format!("the member '{}' must be written '{known}'", name.escape_default())))
        }
        Some(_) | None => Ok(()),
    }
}

/// The members of an object, whose names are checked on the way.
struct Checked<A> {
    members: A,
    known: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Checked<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(name) = self.members.next_key::<Cow<'de, str>>()? else { return Ok(None) };
        check(&name, self.known)?;
        seed.deserialize(CowStrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.members.next_value_seed(seed)
    }
}

impl<'de, T: Deserialize<'de> + Members> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de> + Members> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                let checked = Checked { members, known: T::KNOWN };
                T::deserialize(MapAccessDeserializer::new(checked)).map(Object)
            }
        }
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PlatformVisitor;

        impl<'de> Visitor<'de> for PlatformVisitor {
            type Value = Platform;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a platform")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Platform, E> {
                Ok(Platform)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Platform, E> {
                Ok(Platform)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Platform, E> {
                Ok(Platform)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Platform, E> {
                Ok(Platform)
            }

            fn visit_str<E>(self, _: &str) -> Result<Platform, E> {
                Ok(Platform)
            }

            fn visit_unit<E>(self) -> Result<Platform, E> {
                Ok(Platform)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Platform, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Platform)
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Platform, A::Error> {
                let mut checked = Checked { members, known: PLATFORM };
                while checked.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Platform)
            }
        }
        // What is not read may be of any form.
        deserializer.deserialize_any(PlatformVisitor)
    }
}
