//! The evaluator and the validator, as tables of named cases with their sources.

mod archive;
mod counts;
mod extensions;
mod lists;
mod model;
mod mutated;
mod parsing;
mod priorities;
mod properties;
mod referrers;
mod scale;
mod support;
mod tags;
mod validation;
mod worked_examples;

use std::collections::HashMap;

/// The evaluator's cases; the validator's are counted apart.
#[test]
fn there_are_at_least_120_distinct_cases() {
    let tables = [
        worked_examples::ROWS,
        tags::ROWS,
        counts::ROWS,
        priorities::ROWS,
        lists::ROWS,
        referrers::ROWS,
        archive::ROWS,
        extensions::ROWS,
    ];
    let mut inputs = HashMap::new();
    let mut repeated = Vec::new();
    for (name, _, images, rules, _) in tables.into_iter().flatten() {
        if let Some(other) = inputs.insert((images, rules), name) {
            repeated.push(format!("'{name}' is '{other}'"));
        }
    }
    println!("{} cases", inputs.len());
    assert!(repeated.is_empty(), "{}", repeated.join("\n"));
    assert!(inputs.len() >= 120, "{} cases", inputs.len());
}
