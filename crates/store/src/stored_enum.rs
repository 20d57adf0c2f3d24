//! Enumerations that stand in columns, each value as one word.

/// An enumeration with the word by which each value is stored, which never changes: what rows say is read by
/// [`parse_column`](crate::tables) with the `FromStr` that this makes, and written with its `as_str`.
macro_rules! stored_enum {
    (
        $(#[$enum_meta:meta])*
        pub enum $name:ident {
            $($(#[$value_meta:meta])* $value:ident = $word:literal,)+
        }
    ) => {
        $(#[$enum_meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$value_meta])* $value,)+
        }

        impl $name {
            /// Every value, in the order in which messages list them.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// The word that rows have for it, which is the API model's where that has one.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();

            fn from_str(text: &str) -> Result<Self, ()> {
                match text {
                    $($word => Ok(Self::$value),)+
                    _ => Err(()),
                }
            }
        }
    };
}

pub(crate) use stored_enum;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use crate::blob::{Encoding, Tier};
    use crate::tables::account_settings::AccountSetting;
    use crate::tables::advisory_records::RecordKind;
    use crate::tables::creation_templates::Scenario;
    use crate::tables::iam::entities::EntityKind;
    use crate::tables::iam::robot_tokens::TokenUse;
    use crate::tables::image_protections::ProtectionKind;
    use crate::tables::image_replications::ReplicationStatus;
    use crate::tables::image_scans::{ScanCause, ScanStatus};
    use crate::tables::images::ImageStatus;
    use crate::tables::kms_grants::GrantOperation;
    use crate::tables::kms_keys::{KeyManager, RotationType};
    use crate::tables::lifecycle_previews::PreviewStatus;
    use crate::tables::pull_through_cache_rules::UpstreamKind;
    use crate::tables::replication_backfills::{BackfillStatus, LineStatus};
    use crate::tables::repositories::{EncryptionType, TagMutability};
    use crate::tables::scanning_configurations::ScanType;
    use crate::tables::storage_checks::CheckStatus;

    /// The words of one enumeration, and what a text says when it was read as it and written again.
    type Words = (&'static str, Vec<&'static str>, fn(&str) -> Option<&'static str>);

    macro_rules! words_of {
        ($($name:ident),+ $(,)?) => {
            vec![$((
                stringify!($name),
                $name::ALL.map($name::as_str).to_vec(),
                |text| text.parse::<$name>().ok().map($name::as_str),
            )),+]
        };
    }

    fn enumerations() -> Vec<Words> {
        words_of![
            AccountSetting,
            BackfillStatus,
            CheckStatus,
            Encoding,
            EncryptionType,
            EntityKind,
            GrantOperation,
            ImageStatus,
            KeyManager,
            LineStatus,
            PreviewStatus,
            ProtectionKind,
            RecordKind,
            ReplicationStatus,
            RotationType,
            ScanCause,
            ScanStatus,
            ScanType,
            Scenario,
            TagMutability,
            Tier,
            TokenUse,
            UpstreamKind,
        ]
    }

    #[test]
    fn every_value_reads_back_and_has_a_word_of_its_own() {
        for (name, words, read_back) in enumerations() {
            for word in &words {
                assert_eq!(read_back(word), Some(*word), "{name}");
                assert_eq!(words.iter().filter(|other| *other == word).count(), 1, "{name} {word}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_read(
            (name, words, read_back) in select(enumerations()),
            at: Index,
            place: Index,
            with in "[ -~]?",
            any: String,
        ) {
            let word = *at.get(&words);
            let (before, after) = word.split_at(place.index(word.len() + 1));
            for text in [format!("{before}{with}{after}"), format!("{before}{with}"), word.to_ascii_lowercase(), any] {
                let expected = words.iter().find(|word| **word == text).copied();
                prop_assert_eq!(read_back(&text), expected, "{} {:?}", name, text);
            }
        }
    }
}
