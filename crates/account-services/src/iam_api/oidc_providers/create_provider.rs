//! CreateOpenIDConnectProvider: lets an issuer's tokens be exchanged, where roles trust it.

use access::action::Action;
use access::auth::authorize::Need;
use api::grammar::Tag;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::oidc_providers::{self, OidcProvider};

use super::{MAX_CLIENT_IDS, check_client_id, check_thumbprints, url};
use crate::iam_api::constraints::{self, Check};
use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::tags;

/// Stores an OpenID Connect provider, whose tokens are then taken where a role trusts it.
pub struct CreateProvider(OidcProvider);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    url: Option<String>,
    #[serde(rename = "ClientIDList", default, deserialize_with = "constraints::list")]
    client_ids: Option<Vec<String>>,
    #[serde(rename = "ThumbprintList", default, deserialize_with = "constraints::list")]
    thumbprints: Option<Vec<String>>,
    #[serde(default, deserialize_with = "constraints::list")]
    tags: Option<Vec<Tag>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    #[serde(rename = "OpenIDConnectProviderArn")]
    arn: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
}

impl IamOperation for CreateProvider {
    const ACTION: Action = Action::IamCreateOpenIDConnectProvider;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let account = call.caller.account;
        let url = url::read(&Check::required("url", input.url)?)?;
        let mut client_ids = Vec::new();
        for id in input.client_ids.unwrap_or_default() {
            check_client_id(&id)?;
            if !client_ids.contains(&id) {
                client_ids.push(id);
            }
        }
        if client_ids.len() > MAX_CLIENT_IDS {
            return Err(IamError::Quota("ClientIdsPerOpenIdConnectProvider", MAX_CLIENT_IDS));
        }
        let thumbprints = input.thumbprints.unwrap_or_default();
        check_thumbprints(&thumbprints)?;
        Ok(Self(OidcProvider {
            arn: format!("arn:aws:iam::{account}:oidc-provider/{}", url.in_arn),
            account,
            url: url.stored,
            client_ids,
            thumbprints,
            tags: tags::check(input.tags)?,
            created_at_ms: call.app.now_ms(),
        }))
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        let need = |action| Need::on(action, self.0.arn.clone()).with_request_tags(&self.0.tags);
        let mut needs = vec![need(Self::ACTION)];
        if !self.0.tags.is_empty() {
            needs.push(need(Action::IamTagOpenIDConnectProvider));
        }
        needs
    }

    fn run(&self, app: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        if !oidc_providers::insert(tx, &self.0)? {
            return Err(IamError::ProviderExists(self.0.url.clone()));
        }
        crate::iam_api::quotas::require_room_for_provider(&app.quotas.iam, tx, self.0.account)?;
        Ok(Output { arn: self.0.arn.clone(), tags: Tag::list(&self.0.tags) })
    }
}
