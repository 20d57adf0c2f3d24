//! Policy documents: read at the edge, held against their quotas, and percent-encoded in answers.

use access::auth::principals::unknown_principal;
use api::grammar::{Violation, Wording};
use iam::{Policy, PolicyKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use registry::Registry;

use super::constraints::{Check, Words};
use super::errors::IamError;

/// The most non-whitespace characters of a managed policy.
pub const MAX_MANAGED_POLICY: usize = 6144;
/// The most non-whitespace characters of a trust policy: what an account of AWS's can be given at most.
const MAX_TRUST_POLICY: usize = 4096;
/// The unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A document as IAM answers it.
pub fn encoded(document: &str) -> String {
    utf8_percent_encode(document, ENCODED).to_string()
}

/// How much of its quota a document takes: whitespace does not count.
pub fn size(document: &str) -> usize {
    document.chars().filter(|character| !character.is_whitespace()).count()
}

fn text(member: &str, document: Option<String>) -> Result<String, IamError> {
    let document = Check::required(member, document)?;
    Check::length(member, &document, 1, 131_072)?;
    let is_printable = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{ff}');
    if document.chars().all(is_printable) {
        Ok(document)
    } else {
        Err(Words::refuse(member, None, Violation::Pattern(r"[\u0009\u000A\u000D\u0020-\u00FF]+")))
    }
}

/// A document of a user, group, role or managed policy.
pub fn identity(document: Option<String>) -> Result<String, IamError> {
    let document = text("policyDocument", document)?;
    Policy::parse(PolicyKind::Identity, &document)?;
    Ok(document)
}

/// A document of a managed policy.
pub fn managed(document: Option<String>) -> Result<String, IamError> {
    let document = identity(document)?;
    if size(&document) > MAX_MANAGED_POLICY {
        return Err(IamError::Quota("PolicySize", MAX_MANAGED_POLICY));
    }
    Ok(document)
}

/// A role's trust policy. Whether its principals exist is asked later, of callers who may know.
pub fn trust(member: &str, document: Option<String>) -> Result<String, IamError> {
    let document = text(member, document)?;
    Policy::parse(PolicyKind::Trust, &document)?;
    if size(&document) > MAX_TRUST_POLICY {
        return Err(IamError::Quota("ACLSizePerRole", MAX_TRUST_POLICY));
    }
    Ok(document)
}

/// Refuses a trust policy that names a principal of this server's which does not exist.
pub fn require_principals(app: &Registry, trust: &str) -> Result<(), IamError> {
    let policy = Policy::parse(PolicyKind::Trust, trust)?;
    match unknown_principal(&app.identities.current(), &app.accounts, &policy) {
        None => Ok(()),
        Some(principal) => {
            Err(IamError::MalformedPolicyDocument(format!("Invalid principal in policy: \"AWS\":\"{principal}\"")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoding_and_size() {
        assert_eq!(encoded("{\"a\": \"b-._~*\"}"), "%7B%22a%22%3A%20%22b-._~%2A%22%7D");
        assert_eq!(size("{ \"a\" :\n\t1 }"), 7);
    }
}
