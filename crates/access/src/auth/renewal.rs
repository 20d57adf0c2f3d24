//! Principals that were looked up before something was waited for, such as the rest of a body: who they are now.

use std::sync::Arc;

use aws::sigv4::SigV4Error;
use runtime::boxed;
use store::error::StoreError;

use super::authorize::{self, Need, Refusal};
use super::caller::{Caller, Credentials};
use super::{keys, session, token};
use crate::Access;
use crate::request::RequestContext;

/// Why there is no principal any more.
#[derive(Debug)]
pub enum NotRenewed {
    /// The key, token, session, user or role is gone, or may not be used any more.
    Gone(SigV4Error),
    /// What has changed could not be read.
    Store(StoreError),
}

impl From<SigV4Error> for NotRenewed {
    fn from(error: SigV4Error) -> Self {
        Self::Gone(error)
    }
}

/// The principal with what holds now. Costs next to nothing if no identity, key or policy has changed since it was
/// looked up. What has only come to its end meanwhile, as tokens and sessions do, was good when the request came.
#[boxed]
pub async fn renew(app: &Access, caller: &Caller) -> Result<Caller, NotRenewed> {
    app.require_current_changes().await.map_err(NotRenewed::Store)?;
    let directory = app.identities.current();
    if directory.version() == caller.identity_version {
        return Ok(caller.clone());
    }
    if caller.scope.is_some() {
        let robot = directory.robot_token(&caller.access_key_id).and_then(|token| token::robot(app, &directory, token));
        return robot.ok_or(NotRenewed::Gone(SigV4Error::UnrecognizedClient));
    }
    match &caller.credentials {
        Credentials::Anonymous(_) => Ok(caller.clone()),
        Credentials::Session(opened) => {
            let session = session::renew(app, &directory, opened)?;
            Ok(Caller {
                principal: session.principal(),
                credentials: Credentials::Session(Arc::new(session)),
                identity_version: directory.version(),
                ..caller.clone()
            })
        }
        Credentials::Root | Credentials::User(_) => {
            let holder = keys::find(app, &caller.access_key_id, None)?;
            Ok(holder.into_caller(caller.region.clone(), caller.access_key_id.clone()))
        }
    }
}

/// Refuses unless the principal is still there and still has every one of these permissions.
#[boxed]
pub async fn require_still(http: &RequestContext, caller: &Caller, needs: &[Need]) -> Result<(), Refusal> {
    let caller = renew(&http.app, caller).await.map_err(|error| match error {
        NotRenewed::Gone(error) => Refusal::Denied(error.to_string()),
        NotRenewed::Store(error) => Refusal::Store(error),
    })?;
    for need in needs {
        authorize::authorize(http, &caller, need).await?;
    }
    Ok(())
}
