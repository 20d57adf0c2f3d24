//! The filters of ListSecrets (API reference, Filter): what each looks at, and how.

use access::secret_values::errors::SecretsError;
use serde::Deserialize;
use store::tables::secrets::Secret;

/// `Filter`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilterMember {
    key: Option<String>,
    values: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attribute {
    Description,
    Name,
    TagKey,
    TagValue,
    PrimaryRegion,
    OwningService,
    All,
}

const KEYS: [(&str, Attribute); 7] = [
    ("description", Attribute::Description),
    ("name", Attribute::Name),
    ("tag-key", Attribute::TagKey),
    ("tag-value", Attribute::TagValue),
    ("primary-region", Attribute::PrimaryRegion),
    ("owning-service", Attribute::OwningService),
    ("all", Attribute::All),
];

/// A filter, validated: one of the values must match.
#[derive(Clone, Debug)]
pub struct Filter {
    key: Attribute,
    values: Vec<Term>,
}

/// A value; with a `!` before it, what it must not be.
#[derive(Clone, Debug)]
struct Term {
    text: String,
    is_negated: bool,
}

impl Filter {
    /// Checks the member: at most 10 filters of 1 to 10 values.
    pub fn list(members: Option<Vec<FilterMember>>) -> Result<Vec<Self>, SecretsError> {
        let members = members.unwrap_or_default();
        if members.len() > 10 {
            return Err(SecretsError::parameter("There can be at most 10 Filters."));
        }
        members.into_iter().map(Self::new).collect()
    }

    fn new(member: FilterMember) -> Result<Self, SecretsError> {
        let key = member.key.unwrap_or_default();
        let Some((_, key)) = KEYS.iter().find(|(name, _)| *name == key) else {
            let names: Vec<_> = KEYS.iter().map(|(name, _)| *name).collect();
            return Err(SecretsError::parameter(format!("Key of a filter must be one of {}.", names.join(", "))));
        };
        let values = member.values.unwrap_or_default();
        let is_allowed = |text: &str| {
            let rest = text.strip_prefix('!').unwrap_or(text);
            text.len() <= 512 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" :_@/+=.-!".contains(&byte))
        };
        if !(1..=10).contains(&values.len()) || !values.iter().all(|text| is_allowed(text)) {
            return Err(SecretsError::parameter(
                "Values of a filter must be 1 to 10 texts of at most 512 letters, digits, spaces and :_@/+=.-!",
            ));
        }
        let term = |text: String| match text.strip_prefix('!') {
            Some(rest) => Term { text: rest.to_owned(), is_negated: true },
            None => Term { text, is_negated: false },
        };
        Ok(Self { key: *key, values: values.into_iter().map(term).collect() })
    }

    /// Whether a secret passes.
    pub fn matches(&self, secret: &Secret) -> bool {
        self.values.iter().any(|term| self.has(secret, &term.text) != term.is_negated)
    }

    fn has(&self, secret: &Secret, text: &str) -> bool {
        match self.key {
            Attribute::Name => secret.name.starts_with(text),
            Attribute::Description => has_word(secret.description.as_deref().unwrap_or_default(), text),
            Attribute::TagKey => secret.tags.iter().any(|(key, _)| key.starts_with(text)),
            Attribute::TagValue => secret.tags.iter().any(|(_, value)| value.starts_with(text)),
            // Nothing here is replicated or managed by a service: a secret's region is its primary one.
            Attribute::PrimaryRegion => secret.registry.region.as_str().starts_with(text),
            Attribute::OwningService => false,
            Attribute::All => text.split_whitespace().all(|word| {
                has_word(&secret.name, word)
                    || has_word(secret.description.as_deref().unwrap_or_default(), word)
                    || secret.tags.iter().any(|(key, value)| has_word(key, word) || has_word(value, word))
            }),
        }
    }
}

/// Whether a text, or one of its words, begins with another, whatever their case.
fn has_word(text: &str, start: &str) -> bool {
    let (text, start) = (text.to_lowercase(), start.to_lowercase());
    text.starts_with(&start)
        || text.split(|character: char| !character.is_alphanumeric()).any(|word| word.starts_with(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes() {
        let secret = Secret {
            id: 1,
            registry: store::tables::registry_id::RegistryId {
                account: "123456789012".parse().expect("an account"),
                region: "us-east-1".parse().expect("a region"),
            },
            name: "prod/Database".to_owned(),
            suffix: "AbCdEf".to_owned(),
            description: Some("Login of the billing service".to_owned()),
            tags: vec![("Team".to_owned(), "payments".to_owned())],
            policy: None,
            created_at_ms: 0,
            changed_at_ms: 0,
            accessed_at_ms: None,
            purge_at_ms: None,
        };
        for (key, values, expected) in [
            ("name", &["prod/"][..], true),
            ("name", &["prod/d"], false),
            ("name", &["x", "prod"], true),
            ("name", &["!prod"], false),
            ("name", &["!test"], true),
            ("description", &["BILLING"], true),
            ("description", &["login of"], true),
            ("description", &["illing"], false),
            ("tag-key", &["Te"], true),
            ("tag-key", &["te"], false),
            ("tag-value", &["pay"], true),
            ("tag-value", &["Team"], false),
            ("primary-region", &["us-"], true),
            ("owning-service", &["x"], false),
            ("all", &["database payments"], true),
            ("all", &["database other"], false),
        ] {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            let member = FilterMember { key: Some(key.to_owned()), values: Some(values.clone()) };
            let filter = Filter::new(member).expect("valid");
            assert_eq!(filter.matches(&secret), expected, "{key} {values:?}");
        }
    }
}
