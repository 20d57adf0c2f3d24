//! What can go wrong with storage: a kind to decide on, a sentence for people, and the cause.

use std::error::Error;

use rustix::io::Errno;

/// What a client is told whose text no database can hold.
pub const INVALID_TEXT: &str = "The request holds a text with a NUL character, which cannot be stored or looked for.";

/// The kinds of failure that a caller may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// A constraint of the schema refused the change (a key that exists already, a row that is still referred to).
    Conflict,
    /// The storage works, but others kept it busy for too long; trying again later is right.
    Busy,
    /// The storage cannot be reached or cannot be written; whether a change was made may be unknown.
    Unavailable,
    /// What is stored is not what Wharf wrote.
    Corrupt,
    /// No space is left, on a disk or within a quota.
    Full,
    /// A text that PostgreSQL cannot hold: one with a NUL character. No database takes it, so that both hold the same.
    InvalidText,
    /// A fault in Wharf or a set-up that it cannot work with.
    Other,
}

/// What is wrong with a stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectDamage {
    /// It is not there.
    Missing,
    /// It is shorter or longer than what was stored.
    WrongLength,
    /// Its bytes are not those that were stored.
    Altered,
}

/// A failure of the metadata database or of the blob storage.
///
/// `Display` shows only the context; walk [`Error::source`] for the cause.
#[derive(Debug, thiserror::Error)]
#[error("{context}")]
pub struct StoreError {
    kind: StoreErrorKind,
    object_damage: Option<ObjectDamage>,
    context: String,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// A failure without a further cause; `context` says what was being done or what is wrong.
    pub fn new(kind: StoreErrorKind, context: impl Into<String>) -> Self {
        Self { kind, object_damage: None, context: context.into(), source: None }
    }

    /// A stored object that is not what was stored.
    pub(crate) fn damaged(damage: ObjectDamage, context: impl Into<String>) -> Self {
        Self { object_damage: Some(damage), ..Self::new(StoreErrorKind::Corrupt, context) }
    }

    /// A failed call to the operating system: `Full` if space ran out, else `Unavailable`.
    pub fn io(context: impl Into<String>, error: std::io::Error) -> Self {
        let kind = match Errno::from_io_error(&error) {
            Some(Errno::NOSPC | Errno::DQUOT) => StoreErrorKind::Full,
            _ => StoreErrorKind::Unavailable,
        };
        Self::new(kind, context).with_source(error)
    }

    /// The same failure, with its cause attached.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What to decide on.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// What is wrong with the object that was read, if that is what went wrong; the kind is `Corrupt` then.
    pub fn object_damage(&self) -> Option<ObjectDamage> {
        self.object_damage
    }

    /// The same failure for another of the callers that it hit; the cause is kept as text.
    pub(crate) fn repeated(&self) -> Self {
        let copy = Self { object_damage: self.object_damage, ..Self::new(self.kind, self.context.clone()) };
        let mut causes = Vec::new();
        let mut cause = self.source();
        while let Some(source) = cause {
            causes.push(source.to_string());
            cause = source.source();
        }
        if causes.is_empty() { copy } else { copy.with_source(causes.join(": ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_errors_become_kinds() {
        let cases = [
            ("no space", Errno::NOSPC, StoreErrorKind::Full),
            ("quota", Errno::DQUOT, StoreErrorKind::Full),
            ("broken disk", Errno::IO, StoreErrorKind::Unavailable),
            ("no permission", Errno::ACCESS, StoreErrorKind::Unavailable),
        ];
        for (name, errno, kind) in cases {
            let error = StoreError::io("write blob", errno.into());
            assert_eq!(error.kind(), kind, "{name}");
            assert_eq!(error.to_string(), "write blob", "{name}");
            assert!(error.source().is_some(), "{name}");
        }
        let error = StoreError::io("read blob", std::io::Error::other("not from the system"));
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }

    #[test]
    fn a_repeated_error_says_the_same() {
        let error = StoreError::damaged(ObjectDamage::Missing, "read").with_source("disk is full");
        let repeated = error.repeated();
        assert_eq!(repeated.kind(), StoreErrorKind::Corrupt);
        assert_eq!(repeated.object_damage(), Some(ObjectDamage::Missing));
        assert_eq!(repeated.to_string(), "read");
        assert_eq!(repeated.source().map(ToString::to_string).as_deref(), Some("disk is full"));
    }

    #[test]
    fn a_repeated_error_keeps_the_whole_chain() {
        let inner = StoreError::new(StoreErrorKind::Other, "db error").with_source("column \"x\" does not exist");
        let repeated = StoreError::new(StoreErrorKind::Other, "run SELECT x").with_source(inner).repeated();
        let cause = repeated.source().map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("db error: column \"x\" does not exist"));
    }
}
