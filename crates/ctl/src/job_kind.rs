//! The kinds of background jobs, as people read them; scripts get them as the server names them.

/// A kind in words.
pub(crate) fn words(kind: &str) -> String {
    match kind {
        "reseal" => "seal anew".to_owned(),
        "rotate_kms_key" => "rotate KMS key".to_owned(),
        "delete_kms_key" => "delete KMS key".to_owned(),
        // Those of sinks have the sink's own name.
        kind if kind.contains(' ') => kind.to_owned(),
        kind => kind.replace(['_', '-'], " "),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn kinds() {
        for (kind, text) in [
            ("rotate_kms_key", "rotate KMS key"),
            ("reseal", "seal anew"),
            ("run_lifecycle_policy", "run lifecycle policy"),
            ("event to my_hook", "event to my_hook"),
        ] {
            assert_eq!(super::words(kind), text);
        }
    }
}
