//! Requirements on versions, as gems and Composer's packages name them: `>= 1.2, < 2`, `~> 1.9.3`.

use crate::advisory::{Comparison, Requirement};

/// Reads comparisons that commas or spaces part; `None` where one is no comparison.
pub fn read(text: &str) -> Option<Requirement> {
    let mut comparisons = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (sign, version) = split(part);
        if version.is_empty() || version.contains(char::is_whitespace) {
            return None;
        }
        match sign {
            "" | "=" | "==" => comparisons.push((Comparison::Equal, version.to_owned())),
            "!=" => comparisons.push((Comparison::NotEqual, version.to_owned())),
            "<" => comparisons.push((Comparison::Less, version.to_owned())),
            "<=" => comparisons.push((Comparison::LessOrEqual, version.to_owned())),
            ">" => comparisons.push((Comparison::Greater, version.to_owned())),
            ">=" => comparisons.push((Comparison::GreaterOrEqual, version.to_owned())),
            "~>" => {
                comparisons.push((Comparison::GreaterOrEqual, version.to_owned()));
                comparisons.push((Comparison::Less, next(version)?));
            }
            _ => return None,
        }
    }
    (!comparisons.is_empty()).then_some(Requirement(comparisons))
}

fn split(part: &str) -> (&str, &str) {
    let end = part.find(|letter: char| !matches!(letter, '<' | '>' | '=' | '!' | '~')).unwrap_or(part.len());
    let (sign, version) = part.split_at(end);
    (sign, version.trim())
}

/// The first version that `~>` does not take: the last number but one is raised, and what follows it dropped.
fn next(version: &str) -> Option<String> {
    let numbers: Vec<&str> =
        version.split('.').take_while(|part| part.bytes().all(|byte| byte.is_ascii_digit())).collect();
    let kept = numbers.get(..numbers.len().saturating_sub(1)).filter(|kept| !kept.is_empty()).unwrap_or(&numbers);
    let (last, before) = kept.split_last()?;
    let raised = last.parse::<u64>().ok()?.checked_add(1)?.to_string();
    let mut parts: Vec<&str> = before.to_vec();
    parts.push(&raised);
    Some(parts.join("."))
}
