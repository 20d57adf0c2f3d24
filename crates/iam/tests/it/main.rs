//! The evaluator and the validator, as tables of named cases with their sources.

mod actions;
mod boundaries;
mod conditions_arn;
mod conditions_date;
mod conditions_ip;
mod conditions_numeric;
mod conditions_sets;
mod conditions_string;
mod cross_account;
mod explanations;
mod names;
mod owners;
mod principals;
mod properties;
mod registry_policy;
mod resources;
mod same_account;
mod sessions;
mod support;
mod trust;
mod validation;
mod variables;

use std::collections::HashMap;

/// The evaluator's cases; the validator's are counted apart.
#[test]
fn there_are_at_least_300_distinct_cases() {
    let elements = [
        actions::ROWS,
        resources::ROWS,
        conditions_string::ROWS,
        conditions_numeric::ROWS,
        conditions_date::ROWS,
        conditions_ip::ROWS,
        conditions_arn::ROWS,
        conditions_sets::ROWS,
        variables::IN_CONDITIONS,
        variables::IN_RESOURCES,
    ];
    let whole = [
        owners::CASES,
        principals::CASES,
        same_account::CASES,
        cross_account::CASES,
        boundaries::CASES,
        sessions::CASES,
        registry_policy::CASES,
        trust::CASES,
        variables::OLD_VERSION,
    ];
    let mut inputs = HashMap::new();
    let mut repeated = Vec::new();
    let rows = elements.iter().enumerate().flat_map(|(table, rows)| {
        rows.iter().map(move |(name, _, element, given, _)| (*name, format!("{table} {element} {given}")))
    });
    let cases = whole.iter().copied().flatten().map(|case| (case.name, case.input()));
    for (name, input) in rows.chain(cases) {
        if let Some(other) = inputs.insert(input, name) {
            repeated.push(format!("'{name}' is '{other}'"));
        }
    }
    println!("{} cases", inputs.len());
    assert!(repeated.is_empty(), "{}", repeated.join("\n"));
    assert!(inputs.len() >= 300, "{} cases", inputs.len());
}
