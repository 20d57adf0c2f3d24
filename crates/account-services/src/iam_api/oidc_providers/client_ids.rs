//! AddClientIDToOpenIDConnectProvider, RemoveClientIDFromOpenIDConnectProvider and
//! UpdateOpenIDConnectProviderThumbprint: what of a provider can change.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Deserialize;
use store::db::Tx;
use store::tables::iam::oidc_providers;

use super::{MAX_CLIENT_IDS, Name, ProviderRef, check_client_id, check_thumbprints};
use crate::iam_api::constraints::{self, Check};
use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};

/// A provider and an audience.
#[derive(Deserialize)]
pub struct Input {
    #[serde(flatten)]
    provider: Name,
    #[serde(rename = "ClientID")]
    client_id: Option<String>,
}

fn check(call: &Call<'_>, input: Input) -> Result<(ProviderRef, String), IamError> {
    let id = Check::required("clientID", input.client_id)?;
    check_client_id(&id)?;
    Ok((ProviderRef::new(call, input.provider)?, id))
}

/// Adds an audience; one that is there already is fine.
pub struct AddClientId {
    provider: ProviderRef,
    id: String,
}

impl IamOperation for AddClientId {
    const ACTION: Action = Action::IamAddClientIDToOpenIDConnectProvider;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let (provider, id) = check(call, input)?;
        Ok(Self { provider, id })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.provider.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut provider = self.provider.require(tx)?;
        if !provider.client_ids.contains(&self.id) {
            provider.client_ids.push(self.id.clone());
        }
        if provider.client_ids.len() > MAX_CLIENT_IDS {
            return Err(IamError::Quota("ClientIdsPerOpenIdConnectProvider", MAX_CLIENT_IDS));
        }
        Ok(oidc_providers::update(tx, &provider)?)
    }
}

/// Takes an audience away; one that is not there is fine.
pub struct RemoveClientId {
    provider: ProviderRef,
    id: String,
}

impl IamOperation for RemoveClientId {
    const ACTION: Action = Action::IamRemoveClientIDFromOpenIDConnectProvider;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let (provider, id) = check(call, input)?;
        Ok(Self { provider, id })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.provider.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut provider = self.provider.require(tx)?;
        provider.client_ids.retain(|id| *id != self.id);
        Ok(oidc_providers::update(tx, &provider)?)
    }
}

/// Replaces the thumbprints.
pub struct UpdateThumbprints {
    provider: ProviderRef,
    thumbprints: Vec<String>,
}

/// A provider and its thumbprints.
#[derive(Deserialize)]
pub struct ThumbprintInput {
    #[serde(flatten)]
    provider: Name,
    #[serde(rename = "ThumbprintList", default, deserialize_with = "constraints::list")]
    thumbprints: Option<Vec<String>>,
}

impl IamOperation for UpdateThumbprints {
    const ACTION: Action = Action::IamUpdateOpenIDConnectProviderThumbprint;
    const ACCESS: Access = Access::Changes;
    type Input = ThumbprintInput;
    type Output = ();

    fn check(call: &Call<'_>, input: ThumbprintInput) -> Result<Self, IamError> {
        let thumbprints = Check::required("thumbprintList", input.thumbprints)?;
        check_thumbprints(&thumbprints)?;
        Ok(Self { provider: ProviderRef::new(call, input.provider)?, thumbprints })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.provider.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut provider = self.provider.require(tx)?;
        provider.thumbprints.clone_from(&self.thumbprints);
        Ok(oidc_providers::update(tx, &provider)?)
    }
}
