//! A document of CSAF, as far as it is read. Its texts are those of the bytes that it is read from, not copies: documents have tens
//! of millions of bytes.

use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A text; a reference to the document's bytes where there is no sign in it that is written in another way.
#[derive(Deserialize, Default, PartialEq, Eq, PartialOrd, Ord)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// A text where there is one, and nothing where there is something else.
#[derive(Default)]
pub struct Words<'a>(Option<Cow<'a, str>>);

impl Words<'_> {
    /// The text.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Words<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Words<'de>, E> {
                Ok(Words(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Words<'de>, E> {
                Ok(Words(Some(Cow::Owned(text.to_owned()))))
            }

            fn visit_unit<E: de::Error>(self) -> Result<Words<'de>, E> {
                Ok(Words(None))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Words<'de>, E> {
                Ok(Words(None))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Words<'de>, E> {
                Ok(Words(None))
            }

            fn visit_u64<E: de::Error>(self, _: u64) -> Result<Words<'de>, E> {
                Ok(Words(None))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Words<'de>, E> {
                Ok(Words(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words<'de>, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Words(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Words<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Words(None))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// All of a file.
#[derive(Deserialize)]
pub struct Csaf<'a> {
    #[serde(borrow)]
    pub document: Document<'a>,
    #[serde(borrow, default)]
    pub product_tree: Tree<'a>,
    #[serde(borrow, default)]
    #[expect(clippy::vec_box, reason = "one takes much, and a list that grows has room for twice as many")]
    pub vulnerabilities: Vec<Box<Vulnerability<'a>>>,
}

/// What it says of itself.
#[derive(Deserialize)]
pub struct Document<'a> {
    #[serde(borrow, default)]
    pub title: Words<'a>,
    #[serde(borrow, default)]
    pub aggregate_severity: Option<Described<'a>>,
    #[serde(borrow, default)]
    pub tracking: Option<Tracking<'a>>,
}

/// How it is known.
#[derive(Deserialize)]
pub struct Tracking<'a> {
    #[serde(borrow, default)]
    pub id: Words<'a>,
    #[serde(borrow, default)]
    pub current_release_date: Words<'a>,
}

/// Something with a text: a note, with its category; an id; a severity.
#[derive(Deserialize)]
pub struct Described<'a> {
    #[serde(borrow, default)]
    pub category: Words<'a>,
    #[serde(borrow, default)]
    pub text: Words<'a>,
}

/// The products.
#[derive(Deserialize, Default)]
pub struct Tree<'a> {
    #[serde(borrow, default)]
    pub branches: Vec<Branch<'a>>,
    #[serde(borrow, default)]
    pub full_product_names: Vec<Product<'a>>,
    #[serde(borrow, default)]
    pub relationships: Vec<Relationship<'a>>,
}

/// Products of one sort.
#[derive(Deserialize)]
pub struct Branch<'a> {
    #[serde(borrow, default)]
    pub branches: Vec<Branch<'a>>,
    #[serde(borrow)]
    pub product: Option<Product<'a>>,
}

/// A product.
#[derive(Deserialize)]
pub struct Product<'a> {
    #[serde(borrow, default)]
    pub product_id: Text<'a>,
    #[serde(borrow, default)]
    pub product_identification_helper: Helper<'a>,
}

/// How a product is known elsewhere.
#[derive(Deserialize, Default)]
pub struct Helper<'a> {
    #[serde(borrow)]
    pub cpe: Option<Text<'a>>,
    #[serde(borrow)]
    pub purl: Option<Text<'a>>,
}

/// That one product is a component of another.
#[derive(Deserialize)]
pub struct Relationship<'a> {
    #[serde(borrow)]
    pub full_product_name: Product<'a>,
    #[serde(borrow, default)]
    pub product_reference: Text<'a>,
    #[serde(borrow, default)]
    pub relates_to_product_reference: Text<'a>,
}

/// What is said of a vulnerability.
#[derive(Deserialize)]
pub struct Vulnerability<'a> {
    #[serde(borrow)]
    pub cve: Option<Text<'a>>,
    #[serde(borrow)]
    pub title: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub ids: Vec<Described<'a>>,
    #[serde(borrow, default)]
    pub notes: Vec<Described<'a>>,
    #[serde(borrow)]
    pub release_date: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub product_status: BTreeMap<Text<'a>, Vec<Text<'a>>>,
    #[serde(borrow, default)]
    pub remediations: Vec<Statement<'a>>,
    #[serde(borrow, default)]
    pub threats: Vec<Statement<'a>>,
    #[serde(borrow, default)]
    pub flags: Vec<Flag<'a>>,
    #[serde(borrow, default)]
    pub scores: Vec<Score<'a>>,
    #[serde(borrow, default)]
    pub references: Vec<Reference<'a>>,
}

/// What is said of products.
#[derive(Deserialize)]
pub struct Statement<'a> {
    #[serde(borrow, default)]
    pub category: Text<'a>,
    #[serde(borrow, default)]
    pub details: Text<'a>,
    #[serde(borrow, default)]
    pub product_ids: Vec<Text<'a>>,
}

/// Why products are not affected.
#[derive(Deserialize)]
pub struct Flag<'a> {
    #[serde(borrow, default)]
    pub label: Text<'a>,
    #[serde(borrow, default)]
    pub product_ids: Vec<Text<'a>>,
}

/// What it is rated.
#[derive(Deserialize)]
pub struct Score<'a> {
    #[serde(borrow, default)]
    pub cvss_v3: Option<Cvss<'a>>,
    #[serde(borrow, default)]
    pub cvss_v4: Option<Cvss<'a>>,
    #[serde(borrow, default)]
    pub cvss_v2: Option<Cvss<'a>>,
}

/// A rating by CVSS.
#[derive(Deserialize)]
pub struct Cvss<'a> {
    #[serde(borrow, default, rename = "vectorString")]
    pub vector: Words<'a>,
}

/// A page on it.
#[derive(Deserialize)]
pub struct Reference<'a> {
    #[serde(borrow, default)]
    pub url: Words<'a>,
}
