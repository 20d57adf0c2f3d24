//! Event patterns, case by case and against an evaluator that is slow and obvious.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::pattern::Pattern;

fn push() -> Value {
    json!({
        "source": "aws.ecr",
        "detail-type": "ECR Image Action",
        "resources": ["arn:a", "arn:b"],
        "detail": {"action-type": "PUSH", "repository-name": "team/app", "image-tag": "v1.2", "count": 3, "ip": "10.1.2.3"},
    })
}

#[test]
fn patterns_match() {
    let cases = [
        ("source", json!({"source": ["aws.ecr"]}), true),
        ("one of several", json!({"source": ["wharf", "aws.ecr"]}), true),
        ("none of several", json!({"source": ["wharf", "aws.ec"]}), false),
        ("all fields", json!({"source": ["aws.ecr"], "detail-type": ["ECR Image Action"]}), true),
        ("one field not", json!({"source": ["aws.ecr"], "detail-type": ["ECR Image Scan"]}), false),
        ("nested", json!({"detail": {"action-type": ["PUSH", "DELETE"]}}), true),
        ("nested not", json!({"detail": {"action-type": ["DELETE"]}}), false),
        ("nested in what is a text", json!({"source": {"name": ["x"]}}), false),
        ("nested in what is not there", json!({"absent": {"name": ["x"]}}), false),
        ("nothing nested in what is not there", json!({"absent": {"name": [{"exists": false}]}}), true),
        ("number", json!({"detail": {"count": [3]}}), true),
        ("number is no text", json!({"detail": {"count": ["3"]}}), false),
        ("in a list", json!({"resources": ["arn:b"]}), true),
        ("not in a list", json!({"resources": ["arn:c"]}), false),
        ("prefix", json!({"detail": {"repository-name": [{"prefix": "team/"}]}}), true),
        ("prefix not", json!({"detail": {"repository-name": [{"prefix": "app"}]}}), false),
        ("prefix in a list", json!({"resources": [{"prefix": "arn:"}]}), true),
        ("suffix", json!({"detail": {"repository-name": [{"suffix": "/app"}]}}), true),
        ("suffix not", json!({"detail": {"repository-name": [{"suffix": "team"}]}}), false),
        ("wildcard", json!({"detail": {"image-tag": [{"wildcard": "v*.*"}]}}), true),
        ("wildcard not", json!({"detail": {"image-tag": [{"wildcard": "v*.3"}]}}), false),
        ("case", json!({"detail": {"action-type": [{"equals-ignore-case": "push"}]}}), true),
        ("exists", json!({"detail": {"image-tag": [{"exists": true}]}}), true),
        ("exists not", json!({"detail": {"image-tag": [{"exists": false}]}}), false),
        ("absent", json!({"detail": {"subject": [{"exists": false}]}}), true),
        ("absent or a value", json!({"detail": {"subject": ["x", {"exists": false}]}}), true),
        ("anything but", json!({"detail": {"image-tag": [{"anything-but": "latest"}]}}), true),
        ("anything but it", json!({"detail": {"image-tag": [{"anything-but": ["latest", "v1.2"]}]}}), false),
        ("anything but a prefix", json!({"detail": {"image-tag": [{"anything-but": {"prefix": "v"}}]}}), false),
        // EventBridge guide, "Comparison operators"; aws/event-ruler 66 and 152.
        ("anything but a suffix", json!({"detail": {"image-tag": [{"anything-but": {"suffix": ".2"}}]}}), false),
        (
            "anything but suffixes",
            json!({"detail": {"image-tag": [{"anything-but": {"suffix": [".sig", ".att"]}}]}}),
            true,
        ),
        ("anything but one", json!({"detail": {"image-tag": [{"anything-but": {"suffix": [".sig", ".2"]}}]}}), false),
        (
            "anything but prefixes",
            json!({"detail": {"image-tag": [{"anything-but": {"prefix": ["sha256-", "pr-"]}}]}}),
            true,
        ),
        (
            "anything but in any case",
            json!({"detail": {"action-type": [{"anything-but": {"equals-ignore-case": "push"}}]}}),
            false,
        ),
        (
            "anything but these in any case",
            json!({"detail": {"image-tag": [{"anything-but": {"equals-ignore-case": ["latest", "V1.2"]}}]}}),
            false,
        ),
        (
            "anything but wildcards",
            json!({"detail": {"image-tag": [{"anything-but": {"wildcard": ["v*.3", "w*"]}}]}}),
            true,
        ),
        ("anything but a wildcard", json!({"detail": {"image-tag": [{"anything-but": {"wildcard": "v*"}}]}}), false),
        ("anything but numbers", json!({"detail": {"count": [{"anything-but": [1, 2]}]}}), true),
        ("prefix in any case", json!({"detail": {"image-tag": [{"prefix": {"equals-ignore-case": "V"}}]}}), true),
        ("suffix in any case", json!({"detail": {"action-type": [{"suffix": {"equals-ignore-case": "Sh"}}]}}), true),
        (
            "suffix in any case not",
            json!({"detail": {"action-type": [{"suffix": {"equals-ignore-case": "x"}}]}}),
            false,
        ),
        ("numeric", json!({"detail": {"count": [{"numeric": [">", 0, "<=", 3]}]}}), true),
        ("numeric beyond", json!({"detail": {"count": [{"numeric": [">=", 0, "<", 3]}]}}), false),
        ("numeric equal", json!({"detail": {"count": [{"numeric": ["=", 3.0]}]}}), true),
        ("numeric of a text", json!({"detail": {"image-tag": [{"numeric": ["<", 3]}]}}), false),
        (
            "numeric of large numbers",
            json!({"detail": {"count": [{"numeric": ["<", 9_007_199_254_740_993_u64]}]}}),
            true,
        ),
        ("cidr", json!({"detail": {"ip": [{"cidr": "10.0.0.0/8"}]}}), true),
        ("cidr not", json!({"detail": {"ip": [{"cidr": "10.2.0.0/16"}]}}), false),
        ("cidr of no address", json!({"detail": {"image-tag": [{"cidr": "0.0.0.0/0"}]}}), false),
        ("or", json!({"$or": [{"source": ["x"]}, {"detail": {"count": [3]}}]}), true),
        ("or not", json!({"$or": [{"source": ["x"]}, {"detail": {"count": [4]}}]}), false),
        ("or and a field", json!({"source": ["x"], "$or": [{"source": ["aws.ecr"]}, {"source": ["x"]}]}), false),
        ("nested or", json!({"detail": {"$or": [{"count": [4]}, {"image-tag": [{"prefix": "v"}]}]}}), true),
        ("a field of that name", json!({"$or": {"a": ["x"]}}), false),
        ("anything but, of nothing", json!({"detail": {"subject": [{"anything-but": "x"}]}}), false),
    ];
    for (name, pattern, expected) in cases {
        let read = Pattern::read(&pattern).expect(name);
        assert_eq!(read.matches(&push()), expected, "{name}");
        assert_eq!(Pattern::read(&Value::String(pattern.to_string())), Ok(read), "{name}, as a text");
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    let cases = [
        (json!([]), "a pattern is an object"),
        (json!({}), "must name a field"),
        (json!("{"), "not JSON"),
        (json!("[]"), "a pattern is an object"),
        (json!({"source": "aws.ecr"}), "'source': write a list"),
        (json!({"source": []}), "'source': the list must have a value"),
        (json!({"detail": {"a": {}}}), "'detail.a': a pattern must name a field"),
        (json!({"a": [["b"]]}), "a list cannot hold a list"),
        (json!({"a": [{"prefix": 1}]}), "prefix needs a text"),
        (json!({"a": [{"prefix": "a", "suffix": "b"}]}), "an object with one field"),
        (json!({"a": [{}]}), "an object with one field"),
        (json!({"a": [{"exists": "yes"}]}), "true or false"),
        (json!({"a": [{"anything-but": []}]}), "anything-but needs"),
        (json!({"a": [{"anything-but": {"exists": true}}]}), "anything-but needs"),
        (json!({"a": [{"anything-but": {"numeric": ["=", 1]}}]}), "anything-but needs"),
        (json!({"a": [{"anything-but": {"prefix": {"equals-ignore-case": 1}}}]}), "prefix needs a text"),
        (json!({"a": [{"anything-but": {"suffix": []}}]}), "anything-but needs"),
        (json!({"a": [{"suffix": {"prefix": "x"}}]}), "suffix needs a text"),
        (json!({"a": [{"range": [1, 2]}]}), "'range' is no comparison"),
        (json!({"a": [{"wildcard": "\\a"}]}), "in a wildcard"),
        (json!({"a": [{"numeric": []}]}), "numeric needs"),
        (json!({"a": [{"numeric": [">", "1"]}]}), "numeric needs"),
        (json!({"a": [{"numeric": ["!=", 1]}]}), "numeric needs"),
        (json!({"a": [{"numeric": [">", 1, "<"]}]}), "numeric needs"),
        (json!({"a": [{"numeric": ["<", 1, ">", 0]}]}), "first bound of numeric"),
        (json!({"a": [{"numeric": [">", 1, "<", 1]}]}), "first bound of numeric"),
        (json!({"a": [{"cidr": "10.0.0.0"}]}), "no network"),
        (json!({"$or": [{"a": ["x"]}]}), "'$or': $or needs a list of at least two"),
        (json!({"$or": ["x", "y"]}), "a pattern is an object"),
        (json!({"a": {"$or": [{"b": ["x"]}, {}]}}), "'a.$or': a pattern must name a field"),
    ];
    for (pattern, expected) in cases {
        let error = Pattern::read(&pattern).expect_err("refused").to_string();
        assert!(error.contains(expected), "{pattern}: {error}");
    }
}

#[test]
fn only_an_exact_name_names_a_detail_type() {
    let cases = [
        (json!({"detail-type": ["Wharf Image Pull"]}), true),
        (json!({"detail-type": ["ECR Image Action", "Wharf Image Pull"], "source": ["wharf"]}), true),
        (json!({"detail-type": [{"prefix": "Wharf"}]}), false),
        (json!({"source": ["wharf"]}), false),
        (json!({"detail": {"detail-type": ["Wharf Image Pull"]}}), false),
    ];
    for (pattern, expected) in cases {
        let read = Pattern::read(&pattern).expect("good");
        assert_eq!(read.names_detail_type("Wharf Image Pull"), expected, "{pattern}");
    }
}

#[test]
fn patterns_are_bounded() {
    let deep = |depth: usize| (0..depth).fold(json!({"a": ["x"]}), |inner, _| json!({ "a": inner }));
    let or = |count: usize| json!({ "$or": (0..count).map(|at| json!({"a": [at]})).collect::<Vec<_>>() });
    let fields = |count: usize| (0..count).map(|at| (format!("f{at}"), or(10))).collect::<Map<_, _>>();
    let cases = [
        (deep(30), None),
        (deep(40), Some("deep in each other")),
        (or(300), None),
        (Value::Object(fields(3)), None),
        (Value::Object(fields(4)), Some("at most 1000 combinations of $or")),
        (json!({"a": [{"anything-but": vec!["x"; 2_001]}]}), Some("2000 comparisons")),
        (json!({"a": ["x".repeat(20_000)]}), Some("at most 16384 bytes")),
        (json!(format!("{{\"a\": [\"{}\"]}}", "x".repeat(20_000))), Some("at most 16384 bytes")),
    ];
    for (pattern, expected) in cases {
        let error = Pattern::read(&pattern).err().map(|error| error.to_string());
        let start: String = pattern.to_string().chars().take(60).collect();
        match expected {
            None => assert_eq!(error, None, "{start}"),
            Some(text) => assert!(error.as_deref().is_some_and(|error| error.contains(text)), "{start}: {error:?}"),
        }
    }
}

/// The conditions of a pattern without `$or`: what the field at each path must be one of.
type Conditions = Vec<(Vec<String>, Vec<Value>)>;

/// Every pattern without `$or` that a pattern stands for.
fn without_or(pattern: &Value, path: &[String]) -> Vec<Conditions> {
    let mut all: Vec<Conditions> = vec![Vec::new()];
    for (name, value) in pattern.as_object().expect("an object") {
        let mut inner = path.to_vec();
        let choices: Vec<Conditions> = match value {
            Value::Array(patterns) if name == "$or" => {
                patterns.iter().flat_map(|pattern| without_or(pattern, path)).collect()
            }
            Value::Array(list) => {
                inner.push(name.clone());
                vec![vec![(inner, list.clone())]]
            }
            nested => {
                inner.push(name.clone());
                without_or(nested, &inner)
            }
        };
        all = all
            .iter()
            .flat_map(|before| choices.iter().map(|choice| [before.clone(), choice.clone()].concat()))
            .collect();
    }
    all
}

/// The evaluator that is slow and obvious.
fn is_wanted(pattern: &Value, event: &Value) -> bool {
    without_or(pattern, &[]).iter().any(|conditions| {
        conditions.iter().all(|(path, list)| {
            let found = path.iter().try_fold(event, |value, name| value.get(name.as_str()));
            list.iter().any(|entry| is_one(entry, found))
        })
    })
}

fn is_one(entry: &Value, found: Option<&Value>) -> bool {
    if let Some(wanted) = entry.get("exists") {
        return *wanted == json!(found.is_some());
    }
    match found {
        None => false,
        Some(Value::Array(values)) => values.iter().any(|value| is_this(entry, value)),
        Some(value) => is_this(entry, value),
    }
}

fn is_this(entry: &Value, value: &Value) -> bool {
    let Some((word, argument)) = entry.as_object().and_then(|object| object.iter().next()) else {
        return entry == value;
    };
    if word == "anything-but" {
        let excluded = match argument {
            Value::Object(comparison) => {
                let (word, argument) = comparison.iter().next().expect("one");
                let several = argument.as_array().cloned().unwrap_or_else(|| vec![argument.clone()]);
                several.into_iter().map(|argument| json!({ (word.as_str()): argument })).collect()
            }
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        return excluded.iter().all(|entry| !is_this(entry, value));
    }
    if word == "numeric" {
        let Some(number) = value.as_f64() else { return false };
        return argument.as_array().expect("a list").chunks(2).all(|pair| {
            let bound = pair[1].as_f64().expect("a number");
            match pair[0].as_str() {
                Some("=") => (number - bound).abs() < f64::EPSILON,
                Some("<") => number < bound,
                Some("<=") => number <= bound,
                Some(">") => number > bound,
                _ => number >= bound,
            }
        });
    }
    let Some(text) = value.as_str() else { return false };
    let (argument, is_any_case) = match argument.get("equals-ignore-case") {
        Some(argument) => (argument.as_str().expect("a text"), true),
        None => (argument.as_str().expect("a text"), word == "equals-ignore-case"),
    };
    let letters = |text: &str| -> Vec<char> {
        if is_any_case { text.chars().flat_map(char::to_lowercase).collect() } else { text.chars().collect() }
    };
    let (text_letters, letters) = (letters(text), letters(argument));
    match word.as_str() {
        "prefix" => text_letters.iter().take(letters.len()).eq(&letters),
        "suffix" => text_letters.iter().rev().take(letters.len()).eq(letters.iter().rev()),
        "wildcard" => fits(&letters, &text_letters),
        "cidr" => {
            let bits = |ip: &str| ip.parse::<std::net::Ipv4Addr>().ok().map(|ip| format!("{:032b}", u32::from(ip)));
            let (network, count) = argument.split_once('/').expect("a network");
            let count: usize = count.parse().expect("a number");
            bits(text).is_some_and(|ip| ip[..count] == bits(network).expect("an address")[..count])
        }
        _ => text_letters == letters,
    }
}

fn fits(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['*', rest @ ..] => (0..=text.len()).any(|at| fits(rest, &text[at..])),
        [first, rest @ ..] => text.first() == Some(first) && fits(rest, &text[1..]),
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[aAb]{0,3}", Just("10.0.0.7".to_owned()), Just("10.9.0.7".to_owned()), Just("11.0.0.1".to_owned())]
}

fn scalars() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => texts().prop_map(Value::from),
        2 => (-3..4_i64).prop_map(Value::from),
        1 => (-3..4_i64).prop_map(|number| json!(number as f64 + 0.5)),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
}

fn events() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![3 => scalars(), 1 => proptest::collection::vec(scalars(), 0..3).prop_map(Value::from)];
    leaf.prop_recursive(2, 12, 3, |inner| {
        proptest::collection::btree_map("[abc]", inner, 0..4)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
    })
}

fn comparisons() -> impl Strategy<Value = Value> {
    let part = || prop_oneof![Just("prefix"), Just("suffix")];
    let of_text = || prop_oneof![part(), Just("equals-ignore-case"), Just("wildcard")];
    let argument = || "[aAb*]{0,3}";
    let numeric = || prop_oneof![Just("="), Just("<"), Just("<="), Just(">"), Just(">=")];
    prop_oneof![
        4 => scalars(),
        3 => (of_text(), argument()).prop_map(|(word, text)| json!({ (word): text })),
        2 => (part(), texts()).prop_map(|(word, text)| json!({ (word): { "equals-ignore-case": text } })),
        2 => proptest::collection::vec(scalars(), 1..3).prop_map(|values| json!({ "anything-but": values })),
        2 => (of_text(), proptest::collection::vec(argument(), 1..3))
            .prop_map(|(word, texts)| json!({ "anything-but": { (word): texts } })),
        1 => (of_text(), argument()).prop_map(|(word, text)| json!({ "anything-but": { (word): text } })),
        1 => (numeric(), -3..4_i64).prop_map(|(operator, bound)| json!({ "numeric": [operator, bound] })),
        1 => (-3..1_i64, 1..4_i64).prop_map(|(low, high)| json!({ "numeric": [">=", low, "<", high] })),
        1 => (0..33_u32).prop_map(|bits| json!({ "cidr": format!("10.0.0.0/{bits}") })),
        1 => any::<bool>().prop_map(|wanted| json!({ "exists": wanted })),
    ]
}

fn patterns() -> impl Strategy<Value = Value> {
    let object = |inner: BoxedStrategy<Value>| {
        proptest::collection::btree_map("[abc]", inner, 1..3)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
    };
    let leaf = proptest::collection::vec(comparisons(), 1..3).prop_map(Value::from).boxed();
    object(leaf).boxed().prop_recursive(2, 12, 3, move |inner| {
        let field = prop_oneof![proptest::collection::vec(comparisons(), 1..3).prop_map(Value::from), inner.clone(),];
        let or = proptest::option::of(proptest::collection::vec(inner, 2..4));
        (object(field.boxed()), or).prop_map(|(mut pattern, alternatives)| {
            if let Some(alternatives) = alternatives {
                pattern["$or"] = alternatives.into();
            }
            pattern
        })
    })
}

#[test]
fn patterns_agree_with_the_obvious() {
    let mut runner = TestRunner::new(Config { cases: 2_000, failure_persistence: None, ..Config::default() });
    let wanted = std::cell::Cell::new(0);
    let result = runner.run(&(patterns(), events()), |(pattern, event)| {
        let read = Pattern::read(&pattern).map_err(|error| TestCaseError::fail(format!("{pattern}: {error}")))?;
        let expected = is_wanted(&pattern, &event);
        prop_assert_eq!(read.matches(&event), expected, "{} {}", pattern, event);
        wanted.set(wanted.get() + i32::from(expected));
        Ok(())
    });
    result.expect("both say the same");
    // Nobody learns anything from patterns that all say no.
    assert!((50..1_950).contains(&wanted.get()), "{} of 2000", wanted.get());
}
