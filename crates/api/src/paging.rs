//! Pages of lists: how many entries one has at most, and the opaque token that says where the page before ended.
//!
//! A token grants nothing, whoever made it up: it only says where a list goes on that the caller may see. How tokens are
//! written stays as it is, service by service: while nodes are upgraded one by one, each reads what the others wrote.

use std::fmt::Debug;

use aws::FormNumber;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oci::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::grammar::{Check, Wording};

/// What a service says of its lists.
pub trait ListWording: Wording {
    /// The member that says how many entries a page has at most.
    const LIMIT: &'static str;

    /// The answer to a token that the list has not given.
    fn refuse_token(token: &str) -> Self::Error;
}

/// What a token is a place in, and how the place is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum List {
    /// Any list that has places of the kind, which are JSON.
    Any,
    /// The one list of this mark: a JSON array of the mark and what the place consists of.
    Marked(String),
    /// The lists of this prefix, which the place follows as text.
    Prefixed(String),
}

impl List {
    /// The list that a text names: an operation, and what decides what is listed.
    pub fn of(text: &str) -> Self {
        Self::Marked(mark(text))
    }

    /// The list of an operation with these members, as they were given.
    pub fn with_members(operation: &'static str, members: &[&dyn Debug]) -> Self {
        Self::of(&format!("{operation}{members:?}"))
    }

    /// The token of the page after a place.
    pub fn token<P: Serialize>(&self, place: &P) -> String {
        // All that places consist of can be written as JSON.
        let value = || serde_json::to_value(place).unwrap_or_default();
        let bytes = match self {
            Self::Any => serde_json::to_string(place).unwrap_or_default(),
            Self::Marked(mark) => {
                let mut parts = vec![Value::from(mark.as_str())];
                match value() {
                    Value::Array(place) => parts.extend(place),
                    place => parts.push(place),
                }
                Value::Array(parts).to_string()
            }
            // Its places are texts.
            Self::Prefixed(prefix) => format!("{prefix}{}", value().as_str().unwrap_or_default()),
        };
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place that a token of the list holds.
    pub fn place<P: DeserializeOwned>(&self, token: &str) -> Option<P> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        match self {
            Self::Any => serde_json::from_slice(&bytes).ok(),
            Self::Marked(mark) => {
                let mut parts: Vec<Value> = serde_json::from_slice(&bytes).ok()?;
                let place = parts.split_off(parts.len().min(1));
                (parts == [mark.as_str()]).then(|| serde_json::from_value(Value::Array(place)).ok()).flatten()
            }
            Self::Prefixed(prefix) => {
                let text = String::from_utf8(bytes).ok()?;
                let place = text.strip_prefix(prefix.as_str())?;
                // No entry has it in its key, and databases take no such text.
                let is_text = !place.contains('\0');
                is_text.then(|| serde_json::from_value(Value::from(place)).ok()).flatten()
            }
        }
    }
}

/// What stands for a long text in a token: long enough that no two are taken for each other by accident.
pub fn mark(text: &str) -> String {
    Digest::sha256_of(text.as_bytes()).hex().chars().take(16).collect()
}

/// The part of a list that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<P> {
    /// At most so many entries.
    pub limit: usize,
    /// Where the page before ended; the default for the first page.
    pub after: P,
    list: List,
}

impl<P> Page<P> {
    /// The token of a page that goes on after a place.
    pub fn token_after(&self, place: &impl Serialize) -> String {
        self.list.token(place)
    }

    /// Cuts what was read, one more than asked for, to the page. Gives the token of the next page, if there is one.
    pub fn cut<T, Q: Serialize>(&self, found: &mut Vec<T>, place: impl Fn(&T) -> Q) -> Option<String> {
        if found.len() <= self.limit {
            return None;
        }
        found.truncate(self.limit);
        found.last().map(|last| self.token_after(&place(last)))
    }
}

impl<W: ListWording> Check<W> {
    /// How many entries a page may have.
    pub fn limit(given: Option<impl Into<FormNumber>>, default: usize, max: i64) -> Result<usize, W::Error> {
        let Some(given) = given else { return Ok(default) };
        Self::number(W::LIMIT, given, 1, max).map(|limit| usize::try_from(limit).unwrap_or(default))
    }

    /// Where a list goes on; the default place is its beginning.
    pub fn place<P: DeserializeOwned + Default>(list: &List, token: Option<&str>) -> Result<P, W::Error> {
        match token {
            None => Ok(P::default()),
            Some(token) => list.place(token).ok_or_else(|| W::refuse_token(token)),
        }
    }

    /// The page of a list that is asked for. A token is good for the list that it came from.
    pub fn page<P: DeserializeOwned + Default>(
        list: List,
        given: Option<impl Into<FormNumber>>,
        token: Option<&str>,
        default: usize,
        max: i64,
    ) -> Result<Page<P>, W::Error> {
        let limit = Self::limit(given, default, max)?;
        Ok(Page { limit, after: Self::place(&list, token)?, list })
    }
}

#[cfg(test)]
mod tests {
    use mutate::Form;
    use proptest::prelude::*;

    use super::*;
    use crate::grammar::Violation;

    struct Plain;

    impl Wording for Plain {
        type Error = String;

        fn refuse(member: &str, value: Option<&str>, violation: Violation<'_>) -> String {
            format!("{member}={}: {violation}", value.unwrap_or("-"))
        }
    }

    impl ListWording for Plain {
        const LIMIT: &'static str = "limit";

        fn refuse_token(token: &str) -> String {
            format!("not given: {token}")
        }
    }

    type Pair = (String, i64);

    #[test]
    fn tokens_are_written_as_they_always_were() {
        let given = "DescribeRepositories[RegistryId]";
        let marked = List::with_members("DescribeRepositories", &[&format_args!("RegistryId")]);
        assert_eq!(marked, List::of(given));
        let mark = mark(given);
        assert_eq!(mark, "0847bb873bbec57a");
        for (name, token, text) in [
            ("JSON", List::Any.token(&("a", 7)), r#"["a",7]"#.to_owned()),
            ("a number", List::Any.token(&7), "7".to_owned()),
            ("marked texts", marked.token(&["a\"", ""]), format!(r#"["{mark}","a\"",""]"#)),
            ("a marked pair", marked.token(&Some(("a", -7))), format!(r#"["{mark}","a",-7]"#)),
            ("text", List::Prefixed(String::new()).token(&"grün"), "grün".to_owned()),
            ("text of a list", List::Prefixed("keys:".to_owned()).token(&"a:b"), "keys:a:b".to_owned()),
        ] {
            assert_eq!(token, URL_SAFE_NO_PAD.encode(text), "{name}");
        }
    }

    #[test]
    fn what_the_list_has_not_given_is_refused() {
        let keys = List::Prefixed("keys:".to_owned());
        let marked = List::of("a");
        for (name, list, text) in [
            ("another kind of place", &List::Any, "7"),
            ("no JSON", &List::Any, "["),
            ("another list's mark", &marked, r#"["0000000000000000","a",7]"#),
            ("no mark", &marked, "[]"),
            ("a part too few", &marked, r#"["ca978112ca1bbdca","a"]"#),
            ("a part too many", &marked, r#"["ca978112ca1bbdca","a",7,7]"#),
            ("another list", &keys, "grants:a"),
            ("a NUL", &keys, "keys:a\0"),
        ] {
            let token = URL_SAFE_NO_PAD.encode(text);
            let refused = Err(format!("not given: {token}"));
            assert_eq!(Check::<Plain>::place::<Option<Pair>>(list, Some(&token)), refused, "{name}");
        }
        let good = URL_SAFE_NO_PAD.encode(r#"["ca978112ca1bbdca","a",7]"#);
        assert_eq!(Check::<Plain>::place(&marked, Some(&good)), Ok(Some(("a".to_owned(), 7_i64))));
        assert_eq!(Check::<Plain>::place::<Option<Pair>>(&marked, Some("?")), Err("not given: ?".to_owned()));
        assert_eq!(Check::<Plain>::place::<Option<Pair>>(&marked, None), Ok(None));
    }

    /// What a list makes of a token, whatever it is: the same each time, and a place whose token leads to it again.
    fn check_mutated(token: &str) {
        fn check<P: Debug + PartialEq + Serialize + DeserializeOwned>(list: &List, token: &str) {
            let place: Option<P> = list.place(token);
            assert_eq!(list.place(token), place);
            if let Some(place) = place {
                assert_eq!(list.place(&list.token(&place)), Some(place), "{list:?}");
            }
        }
        for list in [List::Any, List::of("a")] {
            check::<Pair>(&list, token);
            check::<(String, String, u64)>(&list, token);
            check::<Vec<String>>(&list, token);
        }
        let keys = List::Prefixed("keys:".to_owned());
        check::<String>(&keys, token);
        assert!(keys.place::<String>(token).is_none_or(|place| !place.contains('\0')));
        let placed = [List::of("a"), List::of("b")].map(|list| list.place::<Vec<Value>>(token).is_some());
        assert_ne!(placed, [true; 2], "a token is good for one list");
    }

    const PLACES: [&str; 7] = [
        r#"["ca978112ca1bbdca","a",7]"#,
        r#"["ca978112ca1bbdca","app/web","sha256:e3b0c442",18446744073709551615]"#,
        r#"["3e23e8160039594a","a",-7]"#,
        r#"["a",7]"#,
        r#"{"0":"a","1":7}"#,
        "keys:a:b",
        "keys:arn:aws:kms:us-east-1:123456789012:key/1234abcd",
    ];

    #[test]
    fn mutated_tokens() {
        let tokens = PLACES.map(|place| URL_SAFE_NO_PAD.encode(place));
        mutate::texts(Form::Text, &tokens.each_ref().map(String::as_str), 4_000, check_mutated);
    }

    #[test]
    fn tokens_of_mutated_places() {
        for form in [Form::Json, Form::Text] {
            mutate::inputs(form, &PLACES, 4_000, |place| check_mutated(&URL_SAFE_NO_PAD.encode(place)));
        }
    }

    #[test]
    fn limits() {
        let limit = |given: Option<i64>| Check::<Plain>::limit(given, 100, 1000);
        assert_eq!((limit(None), limit(Some(1)), limit(Some(1000))), (Ok(100), Ok(1), Ok(1000)));
        assert_eq!(limit(Some(0)), Err("limit=0: Member must have value greater than or equal to 1".to_owned()));
        assert_eq!(limit(Some(1001)), Err("limit=1001: Member must have value less than or equal to 1000".to_owned()));
    }

    proptest! {
        #[test]
        fn a_place_comes_back_from_its_token_and_from_no_other_list(text in "[^\0]{0,9}", id in any::<i64>(), name in "[a-z]{0,3}") {
            let place = (text.clone(), id);
            let marked = List::of(&name);
            prop_assert_eq!(marked.place(&marked.token(&place)), Some(place.clone()));
            prop_assert_eq!(List::Any.place(&List::Any.token(&place)), Some(place.clone()));
            prop_assert_eq!(List::of("another").place::<Pair>(&marked.token(&place)), None);
            let prefixed = List::Prefixed(format!("{name}:"));
            prop_assert_eq!(prefixed.place(&prefixed.token(&text)), Some(text.clone()));
            prop_assert_eq!(List::Prefixed("another:".to_owned()).place::<String>(&prefixed.token(&text)), None);
        }

        #[test]
        fn tokens_that_are_made_up_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..40), text in ".{0,20}") {
            for token in [text, URL_SAFE_NO_PAD.encode(bytes)] {
                for list in [List::Any, List::of("a"), List::Prefixed("a:".to_owned())] {
                    let _ = list.place::<Pair>(&token);
                    let _ = list.place::<String>(&token);
                }
            }
        }

        #[test]
        fn pages_show_each_entry_once_and_in_order(count in 0_usize..30, limit in 1_i64..12) {
            let entries: Vec<String> = (0..count).map(|number| format!("{number:03}")).collect();
            let (mut token, mut shown): (Option<String>, Vec<String>) = (None, Vec::new());
            loop {
                let list = List::Prefixed("entries:".to_owned());
                let page: Page<String> = Check::<Plain>::page(list, Some(limit), token.as_deref(), 5, 1000).expect("its own token");
                let rest = entries.iter().filter(|entry| **entry > page.after);
                let mut found: Vec<_> = rest.take(page.limit + 1).cloned().collect();
                token = page.cut(&mut found, Clone::clone);
                prop_assert!(found.len() <= page.limit);
                shown.extend(found);
                if token.is_none() {
                    break;
                }
            }
            prop_assert_eq!(shown, entries);
        }
    }
}
