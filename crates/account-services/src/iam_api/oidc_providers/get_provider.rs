//! GetOpenIDConnectProvider: a provider.

use access::action::Action;
use access::auth::authorize::Need;
use api::grammar::Tag;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Serialize;
use store::db::Tx;

use super::{Name, ProviderRef};
use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};

/// Describes an OpenID Connect provider.
pub struct GetProvider(ProviderRef);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    url: String,
    #[serde(rename = "ClientIDList")]
    client_ids: Vec<String>,
    #[serde(rename = "ThumbprintList")]
    thumbprints: Vec<String>,
    create_date: String,
    tags: Vec<Tag>,
}

impl IamOperation for GetProvider {
    const ACTION: Action = Action::IamGetOpenIDConnectProvider;
    const ACCESS: Access = Access::Reads;
    type Input = Name;
    type Output = Output;

    fn check(call: &Call<'_>, input: Name) -> Result<Self, IamError> {
        ProviderRef::new(call, input).map(Self)
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.0.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let provider = self.0.require(tx)?;
        Ok(Output {
            url: provider.url,
            client_ids: provider.client_ids,
            thumbprints: provider.thumbprints,
            create_date: aws::time::iso8601(provider.created_at_ms),
            tags: Tag::list(&provider.tags),
        })
    }
}
