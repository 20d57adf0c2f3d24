//! From a policy text to statements that can be matched.

use std::collections::BTreeSet;

use crate::action::Actions;
use crate::condition::Condition;
use crate::policy::{Compiled, MAX_HELD_BYTES};
use crate::principal::{PrincipalPattern, Principals};
use crate::resource::Resources;
use crate::syntax::{StatementText, Version};
use crate::{Effect, Policy, PolicyError, PolicyKind, Statement, syntax, validate};

impl Policy {
    /// Reads and checks a policy.
    pub fn parse(kind: PolicyKind, text: &str) -> Result<Self, PolicyError> {
        parse(kind, text).map(Self::new)
    }
}

fn parse(kind: PolicyKind, text: &str) -> Result<Compiled, PolicyError> {
    let document = syntax::read(text)?;
    validate::validate(kind, &document)?;
    let variables = document.version == Version::V2012;
    let mut keys = BTreeSet::new();
    let mut statements = Vec::with_capacity(document.statements.len());
    let mut held_bytes = 0;
    for (index, statement) in document.statements.into_iter().enumerate() {
        let statement = compile(statement, index + 1, variables)?;
        held_bytes += statement.heap_bytes();
        if held_bytes > MAX_HELD_BYTES {
            return Err(PolicyError::TooManyValues { statement: index + 1 });
        }
        let conditions = statement.conditions.iter();
        keys.extend(conditions.clone().map(|condition| condition.key.clone()));
        keys.extend(conditions.flat_map(Condition::variables).map(str::to_owned));
        keys.extend(statement.resources.iter().flat_map(Resources::variables).map(str::to_owned));
        statements.push(statement);
    }
    Ok(Compiled { kind, statements, keys })
}

fn compile(text: StatementText, number: usize, variables: bool) -> Result<Statement, PolicyError> {
    let principals = match text.principals {
        Some(principals) => {
            let read = |(kind, value): (String, String)| match PrincipalPattern::read(&kind, &value) {
                Some(pattern) => Ok(pattern),
                None => Err(PolicyError::InvalidPrincipal { statement: number, kind, value }),
            };
            let patterns = principals.values.into_iter().map(read).collect::<Result<_, _>>()?;
            Some(Principals { negated: principals.negated, patterns })
        }
        None => None,
    };
    let actions = text.actions.ok_or(PolicyError::MissingActions { statement: number })?;
    Ok(Statement {
        sid: text.sid,
        effect: if text.effect == "Deny" { Effect::Deny } else { Effect::Allow },
        start: text.start,
        end: text.end,
        principals,
        actions: Actions::new(actions.negated, &actions.values),
        resources: text.resources.map(|resources| Resources::new(resources.negated, &resources.values, variables)),
        conditions: text
            .conditions
            .into_iter()
            .map(|condition| Condition::new(condition.operator, &condition.key, &condition.values, variables))
            .collect(),
    })
}
