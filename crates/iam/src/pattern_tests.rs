use proptest::prelude::*;

use super::*;
use crate::Context;

const ALL: Syntax = Syntax { wildcards: true, variables: true };

fn matches(pattern: &str, text: &str, case: Case) -> Match {
    let mut context = Context::default();
    context.set("aws:username", "alice");
    context.set("aws:PrincipalTag/star", "*");
    context.set_all("aws:TagKeys", ["a", "b"]);
    Pattern::new(pattern, ALL).matches(text, case, &Reading::first(&context))
}

#[test]
fn patterns_match() {
    for (pattern, text, expected) in [
        ("", "", Match::Yes),
        ("", "a", Match::No),
        ("*", "", Match::Yes),
        ("**", "anything", Match::Yes),
        ("?", "", Match::No),
        ("?", "ü", Match::Yes),
        ("a*", "a", Match::Yes),
        ("a*b", "ab", Match::Yes),
        ("a*b", "abc", Match::No),
        ("*a?c*", "xxabcxx", Match::Yes),
        ("a*a*a", "aa", Match::No),
        ("*ab*ab", "abab", Match::Yes),
        ("${*}", "*", Match::Yes),
        ("${*}", "a", Match::No),
        ("${?}${$}", "?$", Match::Yes),
        ("x-${aws:username}-*", "x-alice-1", Match::Yes),
        ("${AWS:UserName}", "alice", Match::Yes),
        ("${aws:missing}", "alice", Match::Unresolved),
        ("${aws:missing, 'bob'}", "bob", Match::Yes),
        ("${ aws:missing , 'a,b'}", "a,b", Match::Yes),
        ("${aws:username, 'bob'}", "bob", Match::No),
        ("${aws:PrincipalTag/star}", "anything", Match::No),
        ("${aws:PrincipalTag/star}", "*", Match::Yes),
        ("${aws:TagKeys}", "a", Match::Unresolved),
        ("${open", "${open", Match::Yes),
    ] {
        assert_eq!(matches(pattern, text, Case::Sensitive), expected, "{pattern} on {text}");
    }
}

#[test]
fn case_counts_only_where_asked() {
    for (pattern, text) in [("Put*", "putImage"), ("PUT", "put"), ("*IMAGE", "putImage"), ("Ü?", "üx")] {
        assert_eq!(matches(pattern, text, Case::Insensitive), Match::Yes, "{pattern} on {text}");
        assert_eq!(matches(pattern, text, Case::Sensitive), Match::No, "{pattern} on {text}");
    }
}

#[test]
fn versions_before_2012_have_no_variables() {
    let old = Pattern::new("${aws:username}", Syntax { wildcards: true, variables: false });
    assert_eq!(old.matches("${aws:username}", Case::Sensitive, &Reading::first(&Context::default())), Match::Yes);
}

#[test]
fn many_stars_take_no_exponential_time() {
    let pattern = "*a".repeat(2_000) + "b";
    assert_eq!(matches(&pattern, &"a".repeat(4_000), Case::Sensitive), Match::No);
}

proptest! {
    #[test]
    fn wildcards_agree_with_a_regular_expression(
        pattern in "[abA*?:/üß.]{0,12}",
        text in "[abA:/üß.]{0,12}",
        insensitive in any::<bool>(),
    ) {
        let mut source = String::from("(?s)^");
        for character in pattern.chars() {
            match character {
                '*' => source.push_str(".*"),
                '?' => source.push('.'),
                other => source.push_str(&regex::escape(&other.to_string())),
            }
        }
        source.push('$');
        let oracle = regex::RegexBuilder::new(&source).case_insensitive(insensitive).build().expect("escaped");
        let case = if insensitive { Case::Insensitive } else { Case::Sensitive };
        prop_assert_eq!(matches(&pattern, &text, case), Match::from(oracle.is_match(&text)));
    }
}
