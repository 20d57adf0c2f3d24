//! OpenID Connect providers, whose tokens can be exchanged for a role's keys.

mod client_ids;
mod create_provider;
mod delete_provider;
mod get_provider;
mod list_providers;
mod tags;
mod url;

use aws::AccountId;
use serde::Deserialize;
use store::db::Tx;
use store::tables::iam::oidc_providers::{self, OidcProvider};

pub use self::url::may_be_issuer;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Entry};

use self::tags::TaggedProvider;
use super::constraints::{self, Check};
use super::errors::IamError;
use super::operation::Iam;
use super::tags::{ListTags, TagResource, UntagResource};

/// Every operation of providers.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<Iam<client_ids::AddClientId>>(),
    Entry::of::<Iam<client_ids::RemoveClientId>>(),
    Entry::of::<Iam<client_ids::UpdateThumbprints>>(),
    Entry::of::<Iam<create_provider::CreateProvider>>(),
    Entry::of::<Iam<delete_provider::DeleteProvider>>(),
    Entry::of::<Iam<get_provider::GetProvider>>(),
    Entry::of::<Iam<list_providers::ListProviders>>(),
    Entry::of::<Iam<ListTags<TaggedProvider>>>(),
    Entry::of::<Iam<TagResource<TaggedProvider>>>(),
    Entry::of::<Iam<UntagResource<TaggedProvider>>>(),
];

/// The most audiences of one provider.
const MAX_CLIENT_IDS: usize = 100;

/// The member that names a provider.
#[derive(Deserialize)]
pub struct Name {
    #[serde(rename = "OpenIDConnectProviderArn")]
    arn: Option<String>,
}

/// A provider of the caller's account, which need not exist.
pub struct ProviderRef {
    arn: String,
    account: AccountId,
}

impl ProviderRef {
    fn new(call: &Call<'_>, name: Name) -> Result<Self, IamError> {
        let arn = constraints::arn("openIDConnectProviderArn", name.arn)?;
        Ok(Self { arn, account: call.caller.account })
    }

    fn need(&self, action: Action) -> Need {
        Need::on(action, self.arn.clone())
    }

    fn require(&self, tx: &mut dyn Tx) -> Result<OidcProvider, IamError> {
        let found = oidc_providers::find(tx, &self.arn)?.filter(|provider| provider.account == self.account);
        found.ok_or_else(|| IamError::NoSuchProvider(self.arn.clone()))
    }
}

/// An audience that tokens may name.
fn check_client_id(id: &str) -> Result<(), IamError> {
    Check::length("clientID", id, 1, 255)
}

/// The thumbprints of a provider's certificates: SHA-1, in hexadecimal digits.
fn check_thumbprints(thumbprints: &[String]) -> Result<(), IamError> {
    if thumbprints.len() > 5 {
        return Err(IamError::InvalidInput("Thumbprint list must contain fewer than 5 entries.".to_owned()));
    }
    for thumbprint in thumbprints {
        Check::length("thumbprintList", thumbprint, 40, 40)?;
        if !thumbprint.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(IamError::InvalidInput("Invalid thumbprint format.".to_owned()));
        }
    }
    Ok(())
}
