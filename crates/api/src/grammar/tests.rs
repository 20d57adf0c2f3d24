use proptest::prelude::*;

use super::*;

/// What was refused, as it was handed to the service's words.
#[derive(Debug)]
struct Plain;

impl Wording for Plain {
    type Error = String;

    fn refuse(member: &str, value: Option<&str>, violation: Violation<'_>) -> String {
        format!("{member}={}: {violation}", value.unwrap_or("-"))
    }
}

impl TagWording for Plain {
    const TAG_KEY: &'static str = "key {n}";
    const TAG_VALUE: &'static str = "value {n}";

    fn refuse_tags(violation: TagViolation<'_>) -> String {
        format!("{violation:?}")
    }
}

/// The same, for the service whose rules differ in all that rules can differ in.
#[derive(Debug)]
struct Other;

impl Wording for Other {
    type Error = String;

    fn refuse(member: &str, value: Option<&str>, violation: Violation<'_>) -> String {
        Plain::refuse(member, value, violation)
    }
}

impl TagWording for Other {
    const TAG_KEY: &'static str = Plain::TAG_KEY;
    const TAG_VALUE: &'static str = Plain::TAG_VALUE;
    const UNTAG_KEY: &'static str = "key {n} to go";
    const VALUE_IS_REQUIRED: bool = false;
    const COUNTS_FIRST: bool = false;
    const RESERVES_LAST: bool = true;

    fn is_same_key(a: &str, b: &str) -> bool {
        a.eq_ignore_ascii_case(b)
    }

    fn refuse_tags(violation: TagViolation<'_>) -> String {
        Plain::refuse_tags(violation)
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) }
}

#[test]
fn words_of_the_models() {
    const NAMES: [&str; 2] = ["ON", "OFF"];
    let some = |text: &str| Err(text.to_owned());
    assert_eq!(Check::<Plain>::required::<u8>("m", None).map(drop), some("m=-: Member must not be null"));
    for (text, expected) in [
        ("ä", some("m=ä: Member must have length greater than or equal to 2")),
        ("äö", Ok(())),
        ("äöü", Ok(())),
        ("äöüß", some("m=äöüß: Member must have length less than or equal to 3")),
    ] {
        assert_eq!(Check::<Plain>::length("m", text, 2, 3), expected, "{text}");
    }
    for (count, expected) in [
        (None, some("m=-: Member must not be null")),
        (Some(0), some("m=-: Member must have length greater than or equal to 1")),
        (Some(1), Ok(())),
        (Some(3), some("m=-: Member must have length less than or equal to 2")),
    ] {
        let list = count.map(|count| vec![(); count]);
        assert_eq!(Check::<Plain>::list("m", list, 1, 2).map(drop), expected, "{count:?}");
    }
    assert_eq!(
        Check::<Plain>::number("m", 0, 1, 9).map(drop),
        some("m=0: Member must have value greater than or equal to 1")
    );
    assert_eq!(
        Check::<Plain>::number("m", 10, 1, 9).map(drop),
        some("m=10: Member must have value less than or equal to 9")
    );
    assert_eq!(
        Check::<Plain>::pattern("m", "x", "[0-9]+", false),
        some("m=x: Member must satisfy regular expression pattern: [0-9]+")
    );
    assert_eq!(
        Check::<Plain>::parsed::<u8>("m", "x", "[0-9]+").map(drop),
        some("m=x: Member must satisfy regular expression pattern: [0-9]+")
    );
    assert_eq!(
        Check::<Plain>::one_of("m", "on", &NAMES, |name| name).map(drop),
        some("m=on: Member must satisfy enum value set: [ON, OFF]")
    );
}

#[test]
fn what_is_said_first_of_tags() {
    let key = "k".repeat(129);
    let many = || (0..=MAX_TAGS).map(|number| tag(&number.to_string(), ""));
    let and_a_bad_one = |tags: Vec<Tag>| std::iter::once(tag("", "")).chain(tags).collect::<Vec<_>>();
    let no_key = Tag { key: None, value: None };
    let no_value = Tag { key: Some("a".to_owned()), value: None };
    let value = "v".repeat(257);
    let too_short = "key 1=: Member must have length greater than or equal to 1";
    let too_long = format!("value 1={value}: Member must have length less than or equal to 256");
    for (name, tags, plain, other) in [
        ("too many", many().collect(), "TooMany", "TooMany"),
        ("too many, and the first is bad", and_a_bad_one(many().collect()), "TooMany", too_short),
        ("no key", vec![no_key], "key 1=-: Member must not be null", "key 1=-: Member must not be null"),
        ("no value", vec![no_value], "value 1=-: Member must not be null", ""),
        ("reserved, and a bad value", vec![tag("aws:a", &value)], "Reserved(\"aws:a\")", too_long.as_str()),
        ("reserved in capitals", vec![tag("AWS:", "")], "Reserved(\"AWS:\")", "Reserved(\"AWS:\")"),
        ("not reserved", vec![tag("aws", "")], "", ""),
        ("another case", vec![tag("a", "1"), tag("A", "1")], "", "Repeated(\"A\")"),
        ("twice", vec![tag("a", "1"), tag("b", "1"), tag("a", "2")], "Repeated(\"a\")", "Repeated(\"a\")"),
    ] {
        let plainly = Check::<Plain>::tags(Some(tags.clone())).err().unwrap_or_default();
        let otherwise = Check::<Other>::tags(Some(tags)).err().unwrap_or_default();
        assert_eq!((plainly.as_str(), otherwise.as_str()), (plain, other), "{name}");
    }
    let keys = ["a".to_owned(), key.clone()];
    let too_long = |member: &str| Err(format!("{member}={key}: Member must have length less than or equal to 128"));
    assert_eq!(Check::<Plain>::tag_keys(&keys), too_long("key 2"));
    assert_eq!(Check::<Other>::tag_keys(&keys), too_long("key 2 to go"));
    assert_eq!(Check::<Plain>::tag_keys(&["aws:a".to_owned()]), Err("Reserved(\"aws:a\")".to_owned()));
    assert_eq!(Check::<Other>::tag_keys(&["aws:a".to_owned()]), Ok(()));
    assert_eq!(Check::<Plain>::tags(None), Ok(Vec::new()));
}

#[test]
fn characters_of_tags() {
    for (text, fits) in
        [("", true), ("ä/ö:=+-@ x_.1", true), ("\u{a0}", true), ("a*", false), ("a\n", false), ("\0", false)]
    {
        assert_eq!(has_tag_characters(text), fits, "{text:?}");
    }
}

/// Texts about as long as the limits, with characters of several bytes.
fn text(longest: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(vec!['a', 'A', ':', 'w', 's', 'ä', '€', '\0', ' ']), 0..longest)
        .prop_map(|characters| characters.into_iter().collect())
}

fn tags() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = prop_oneof![4 => text(4), 1 => text(140), 1 => text(4).prop_map(|rest| format!("aws:{rest}"))];
    let value = prop_oneof![8 => text(4), 1 => text(300)];
    proptest::collection::vec((key, value), 0..60)
}

proptest! {
    #[test]
    fn a_length_is_of_characters(text in text(12), min in 0_usize..12, max in 0_usize..12) {
        let length = text.chars().count();
        let result = Check::<Plain>::length("m", &text, min, max);
        prop_assert_eq!(result.is_ok(), (min..=max).contains(&length));
        if length < min {
            prop_assert!(result.is_err_and(|said| said.contains("greater")));
        }
    }

    #[test]
    fn a_number_is_between_its_bounds(number in any::<i64>(), min in any::<i64>(), max in any::<i64>()) {
        let result = Check::<Plain>::number("m", number, min, max);
        prop_assert_eq!(result.ok(), Some(number).filter(|number| (min..=max).contains(number)));
    }

    #[test]
    fn one_of_many_is_found_by_its_name(values in proptest::collection::vec(0_usize..4, 0..6), wanted in 0_usize..5) {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        let found = Check::<Plain>::one_of("m", NAMES[wanted], &values, |value| NAMES[value]);
        prop_assert_eq!(found.ok(), values.contains(&wanted).then_some(wanted));
    }

    #[test]
    fn good_tags_come_out_as_they_are_and_others_do_not(tags in tags()) {
        let given = tags.iter().map(|(key, value)| tag(key, value)).collect();
        let is_good = |(index, (key, value)): (usize, &(String, String))| {
            (1..=128).contains(&key.chars().count())
                && value.chars().count() <= 256
                && !key.to_lowercase().starts_with("aws:")
                && !tags[..index].iter().any(|(known, _)| known == key)
        };
        let are_good = tags.len() <= MAX_TAGS && tags.iter().enumerate().all(is_good);
        prop_assert_eq!(Check::<Plain>::tags(Some(given)).ok(), are_good.then(|| tags.clone()));
    }

    #[test]
    fn the_order_of_checks_changes_only_what_is_said(tags in tags()) {
        let lower: Vec<_> = tags.iter().map(|(key, value)| tag(&key.to_ascii_lowercase(), value)).collect();
        let (plain, other) = (Check::<Plain>::tags(Some(lower.clone())), Check::<Other>::tags(Some(lower)));
        prop_assert_eq!(plain.ok(), other.ok());
    }
}
