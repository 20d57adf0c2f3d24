//! The `Link` header of paged lists (RFC 5988; OCI distribution, "Listing Tags").

/// The value that leads to the next page.
pub fn next_link(url: &str) -> String {
    format!("<{url}>; rel=\"next\"")
}
