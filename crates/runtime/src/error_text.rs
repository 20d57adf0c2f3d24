//! What is said of a failure in logs and to people: its own text, and that of what caused it.

/// Logs a failure of storage once, with its causes and the request that it ended.
pub fn log_store_error(request_id: uuid::Uuid, error: &store::error::StoreError) {
    let text = with_causes(error);
    tracing::error!(%request_id, kind = ?error.kind(), "request {request_id} failed: {text}");
}

/// What a failure says, and what it says of its causes; what one of them repeats is told once.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let said = source.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use store::error::{StoreError, StoreErrorKind};

    #[test]
    fn causes_are_told_and_none_is_told_twice() {
        let disk = std::io::Error::other("the disk is gone");
        let inner = StoreError::new(StoreErrorKind::Unavailable, "run SELECT 1").with_source(disk);
        let outer = StoreError::new(StoreErrorKind::Other, "look (run SELECT 1)").with_source(inner);
        assert_eq!(super::with_causes(&outer), "look (run SELECT 1): the disk is gone");
    }
}
