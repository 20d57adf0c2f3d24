//! The shape of the cases, and how they are run.

use lifecycle::{Action, Image, LifecyclePolicy, Options, Plan, StorageClass, decide};

/// A case: name, source, images, rules, the plan; all three in the notations below.
pub type Row = (&'static str, &'static str, &'static str, &'static str, &'static str);

pub const DAY_MS: i64 = 86_400_000;
pub const NOW_MS: i64 = 1_000 * DAY_MS;

/// Reads `A[tag,tag] 10d`, then as needed `pulled=1d`, `restored=2d`, `archived=3d` (ages), `archive` (the class),
/// `in=L,M` (lists that name it) and `of=S` (its subject). The name is the digest.
pub fn image(text: &'static str) -> Image<'static> {
    let mut words = text.split_whitespace();
    let name = words.next().expect("a name");
    let (digest, tags) = name.strip_suffix(']').and_then(|name| name.split_once('[')).expect("A[..]");
    let tags = tags.split(',').filter(|tag| !tag.is_empty()).collect();
    let pushed_at_ms = time(words.next().expect("an age"));
    let mut image = Image {
        digest,
        tags,
        pushed_at_ms,
        last_pulled_at_ms: None,
        last_activated_at_ms: None,
        last_archived_at_ms: None,
        storage_class: StorageClass::Standard,
        parents: Vec::new(),
        subject: None,
    };
    for word in words {
        match word.split_once('=') {
            None if word == "archive" => image.storage_class = StorageClass::Archive,
            Some(("pulled", age)) => image.last_pulled_at_ms = Some(time(age)),
            Some(("restored", age)) => image.last_activated_at_ms = Some(time(age)),
            Some(("archived", age)) => image.last_archived_at_ms = Some(time(age)),
            Some(("in", lists)) => image.parents = lists.split(',').collect(),
            Some(("of", subject)) => image.subject = Some(subject),
            _ => panic!("what is {word}?"),
        }
    }
    image
}

/// Reads an age: `10d`, or with milliseconds `10d+1` or `10d-1`.
fn time(age: &str) -> i64 {
    let (days, ms) = age.split_once('d').expect("days");
    let ms = if ms.is_empty() { 0 } else { ms.parse::<i64>().expect("milliseconds") };
    NOW_MS - days.parse::<i64>().expect("a number of days") * DAY_MS - ms
}

pub fn images(text: &'static str) -> Vec<Image<'static>> {
    text.split(';').filter(|text| !text.trim().is_empty()).map(image).collect()
}

/// Reads `1 any keep 5`: priority; `any`, `untagged`, patterns `a*,b` or prefixes `^a,^b`; `keep` (a count), `pushed`,
/// `pulled` or `transitioned` (days); then `archive` to move images instead of deleting them.
pub fn rule(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (priority, tags, count, number) = (words[0], words[1], words[2], words[3]);
    let tags = match tags {
        "any" | "untagged" => format!(r#""tagStatus":"{tags}""#),
        prefixes if prefixes.starts_with('^') => {
            format!(r#""tagStatus":"tagged","tagPrefixList":["{}"]"#, prefixes.replace('^', "").replace(',', r#"",""#))
        }
        patterns => format!(r#""tagStatus":"tagged","tagPatternList":["{}"]"#, patterns.replace(',', r#"",""#)),
    };
    let count = match count {
        "keep" => r#""countType":"imageCountMoreThan""#,
        "pushed" => r#""countType":"sinceImagePushed","countUnit":"days""#,
        "pulled" => r#""countType":"sinceImagePulled","countUnit":"days""#,
        "transitioned" => r#""countType":"sinceImageTransitioned","countUnit":"days","storageClass":"archive""#,
        _ => panic!("what is {count}?"),
    };
    let action = match words.get(4) {
        None => r#""type":"expire""#,
        Some(&"archive") => r#""type":"transition","targetStorageClass":"archive""#,
        Some(other) => panic!("what is {other}?"),
    };
    format!(
        r#"{{"rulePriority":{priority},"selection":{{{tags},{count},"countNumber":{number}}},"action":{{{action}}}}}"#
    )
}

pub fn policy(rules: &str) -> LifecyclePolicy {
    let rules: Vec<String> = rules.split(';').filter(|rule| !rule.trim().is_empty()).map(rule).collect();
    let text = format!(r#"{{"rules":[{}]}}"#, rules.join(","));
    let options = Options { allow_expire_since_pulled: true, ..Options::default() };
    LifecyclePolicy::parse_with(&text, &options).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Writes a plan: `A:1` expires A by rule 1, `A>1` archives it; after `|`, what failed with the lists: `B:1(L,M)`.
pub fn print(images: &[Image<'_>], plan: &Plan) -> String {
    let one = |image: usize, action: Action, priority: i64| match action {
        Action::Expire => format!("{}:{priority}", images[image].digest),
        Action::Transition { target: StorageClass::Archive } => format!("{}>{priority}", images[image].digest),
        Action::Transition { target: StorageClass::Standard } => format!("{}<{priority}", images[image].digest),
    };
    let mut words: Vec<String> =
        plan.actions.iter().map(|planned| one(planned.image, planned.action, planned.rule_priority)).collect();
    if !plan.failures.is_empty() {
        words.push("|".to_owned());
    }
    for failure in &plan.failures {
        let lists = failure.lists.join(",");
        words.push(format!("{}({lists})", one(failure.image, failure.action, failure.rule_priority)));
    }
    words.join(" ")
}

/// Runs each case with its images as written and backwards.
pub fn run(rows: &[Row], options: Options) {
    let mut wrong = Vec::new();
    for (name, source, given, rules, expected) in rows {
        let policy = policy(rules);
        let mut images = images(given);
        for order in ["as written", "backwards"] {
            let found = print(&images, &decide(&images, &policy, &options, NOW_MS));
            if found != *expected {
                wrong.push(format!("{name} ({source}), {order}: '{found}', not '{expected}'"));
            }
            images.reverse();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
