//! DeleteOpenIDConnectProvider: its tokens are worth nothing from then on. Trust policies may go on naming it.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use store::db::Tx;
use store::tables::iam::oidc_providers;

use super::{Name, ProviderRef};
use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};

/// Deletes an OpenID Connect provider, whose tokens nobody is let in by from then on.
pub struct DeleteProvider(ProviderRef);

impl IamOperation for DeleteProvider {
    const ACTION: Action = Action::IamDeleteOpenIDConnectProvider;
    const ACCESS: Access = Access::Changes;
    type Input = Name;
    type Output = ();

    fn check(call: &Call<'_>, input: Name) -> Result<Self, IamError> {
        ProviderRef::new(call, input).map(Self)
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.0.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let provider = self.0.require(tx)?;
        oidc_providers::delete(tx, &provider.arn)?;
        Ok(())
    }
}
