//! Reading the input of an operation from a form of the Query protocol, which has nothing but texts.
//!
//! A list or a structure without members has no field of its own to be seen by, so clients write it as an empty text
//! (Smithy's awsQuery: `ListArg=`). What a text stands for is only known where it is read, so the rule is here: an empty
//! text where a list or a structure belongs is one without members.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// Reads what [`QueryForm::to_json`](crate::QueryForm::to_json) made of a form.
pub fn from_form<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    T::deserialize(Form(serde_json::from_slice(json)?))
}

/// A part of a form on its way through serde.
struct Form(Value);

impl Form {
    fn is_empty_text(&self) -> bool {
        self.0.as_str().is_some_and(str::is_empty)
    }
}

impl IntoDeserializer<'_, Error> for Form {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Form {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Form))),
            Value::Object(members) => {
                visitor.visit_map(MapDeserializer::new(members.into_iter().map(|(name, value)| (name, Form(value)))))
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_empty_text() {
            return visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Self>()));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_empty_text() {
            return visitor.visit_map(MapDeserializer::new(std::iter::empty::<(String, Self)>()));
        }
        self.deserialize_any(visitor)
    }

    /// As in [`from_json`](crate::from_json), a list of values in the order of our source code is no structure.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.0.is_array() {
            return Err(Error::custom(format!("a list stands where a structure belongs: {name}")));
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::QueryForm;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Tag {
        key: Option<String>,
        values: Option<Vec<String>>,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Input {
        name: Option<String>,
        tags: Option<Vec<Tag>>,
        #[serde(default)]
        keys: Vec<String>,
        one: Option<Tag>,
        #[serde(default, deserialize_with = "crate::number_text")]
        number: Option<crate::FormNumber>,
    }

    fn read(form: &str) -> Result<Input, Error> {
        let json = QueryForm::parse(form.as_bytes()).expect("a form").to_json().expect("shallow");
        from_form(json.to_string().as_bytes())
    }

    #[test]
    fn empty_lists_and_structures() {
        let empty = Input { tags: Some(vec![]), one: Some(Tag::default()), ..Input::default() };
        assert_eq!(read("Tags=&Keys=&One=").expect("read"), empty);
        assert_eq!(read("Name=").expect("read"), Input { name: Some(String::new()), ..Input::default() });
        let nested = read("Tags.member.1.Key=a&Tags.member.1.Values=&Keys.member.1=").expect("read");
        let tag = Tag { key: Some("a".to_owned()), values: Some(vec![]) };
        assert_eq!(nested, Input { tags: Some(vec![tag]), keys: vec![String::new()], ..Input::default() });
        assert_eq!(read("").expect("read"), Input::default());
        assert_eq!(read("Number=5").expect("read").number, Some(5.into()));
    }

    #[test]
    fn what_is_not_empty_must_fit() {
        for form in ["Tags=a", "Keys=a", "One=a", "One.member.1=a", "Name.x=1", "Number=x", "Tags.x=1", "Keys.1=a"] {
            assert!(read(form).is_err(), "{form}");
        }
    }
}
