//! AssumeRoleWithSAML, which Wharf does not have: whoever calls it signs nothing, so it is answered before signatures are
//! looked at.

use access::request::RequestContext;
use api::protocols::service::{Running, UnsignedEntry};
use aws::AwsError;

use super::record_web_identity;

/// Answers to anybody that this server has no SAML providers.
pub const ENTRY: UnsignedEntry = UnsignedEntry { name: "AssumeRoleWithSAML", run: answer, record: record_web_identity };

fn answer<'a>(_: &'a RequestContext, _: &'a [u8]) -> Running<'a> {
    Box::pin(async {
        let text = "Could not find operation AssumeRoleWithSAML for version 2011-06-15: this server has no SAML providers. \
                    Use AssumeRoleWithWebIdentity and an OpenID Connect provider";
        Err(AwsError::new("InvalidAction", text))
    })
}
