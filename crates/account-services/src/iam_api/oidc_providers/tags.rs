//! The tags of providers.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use store::db::Tx;
use store::tables::iam::oidc_providers;

use super::{Name, ProviderRef};
use crate::iam_api::errors::IamError;
use crate::iam_api::tags::Tagged;

/// A provider as something with tags.
pub struct TaggedProvider(ProviderRef);

impl Tagged for TaggedProvider {
    const TAG: Action = Action::IamTagOpenIDConnectProvider;
    const UNTAG: Action = Action::IamUntagOpenIDConnectProvider;
    const LIST_TAGS: Action = Action::IamListOpenIDConnectProviderTags;
    type Name = Name;

    fn check(call: &Call<'_>, name: Name) -> Result<Self, IamError> {
        ProviderRef::new(call, name).map(Self)
    }

    fn need(&self, _: &Call<'_>, action: Action) -> Need {
        self.0.need(action)
    }

    fn tags(&self, tx: &mut dyn Tx) -> Result<Vec<(String, String)>, IamError> {
        Ok(self.0.require(tx)?.tags)
    }

    fn set_tags(&self, tx: &mut dyn Tx, tags: Vec<(String, String)>) -> Result<(), IamError> {
        let mut provider = self.0.require(tx)?;
        provider.tags = tags;
        Ok(oidc_providers::update(tx, &provider)?)
    }
}
