//! `userIdentity` of records: who called, in CloudTrail's words.

use serde_json::{Value, json};

use crate::auth::caller::{Caller, Credentials};
use crate::auth::directory::Identity;
use crate::auth::session::Session;

/// As much of a `userIdentity` as other accounts are told, in whose records it is (CloudTrail: `AWSAccount`).
pub fn of_other_account(identity: &Value) -> Value {
    json!({ "type": "AWSAccount", "principalId": identity["principalId"], "accountId": identity["accountId"] })
}

/// The `userIdentity` of a caller.
pub fn user_identity(caller: &Caller) -> Value {
    let mut identity = json!({
        "type": "Root",
        "principalId": caller.user_id(),
        "arn": caller.arn(),
        "accountId": caller.account.as_str(),
        "accessKeyId": caller.access_key_id,
    });
    match &caller.credentials {
        Credentials::Root => {}
        // CloudTrail: who presents no credentials.
        Credentials::Anonymous(_) => {
            return json!({ "type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL" });
        }
        Credentials::User(user) => add_user(&mut identity, user),
        Credentials::Session(session) => {
            let mut context = session_context(session);
            match (&session.identity, &session.claims.name) {
                (user, Some(_)) if session.claims.is_federated => {
                    identity["type"] = "FederatedUser".into();
                    let issuer = match user {
                        Some(user) => json!({
                            "type": "IAMUser",
                            "principalId": user.entity.id,
                            "arn": user.arn,
                            "accountId": user.entity.account.as_str(),
                            "userName": user.entity.name,
                        }),
                        None => json!({
                            "type": "Root",
                            "principalId": caller.account.as_str(),
                            "arn": format!("arn:aws:iam::{}:root", caller.account),
                            "accountId": caller.account.as_str(),
                        }),
                    };
                    context["sessionIssuer"] = issuer;
                }
                (Some(role), Some(_)) => {
                    identity["type"] = "AssumedRole".into();
                    context["sessionIssuer"] = json!({
                        "type": "Role",
                        "principalId": role.entity.id,
                        "arn": role.arn,
                        "accountId": role.entity.account.as_str(),
                        "userName": role.entity.name,
                    });
                }
                (Some(user), None) => add_user(&mut identity, user),
                (None, _) => {}
            }
            identity["sessionContext"] = context;
        }
    }
    identity
}

fn add_user(identity: &mut Value, user: &Identity) {
    identity["type"] = "IAMUser".into();
    identity["userName"] = user.entity.name.as_str().into();
}

fn session_context(session: &Session) -> Value {
    let mut context = json!({
        "attributes": {
            "creationDate": aws::time::iso8601(session.claims.issued_at_ms),
            // Nobody here has a second factor.
            "mfaAuthenticated": "false",
        },
    });
    if let Some(source_identity) = &session.claims.source_identity {
        context["sourceIdentity"] = source_identity.as_str().into();
    }
    if let Some(provider) = &session.claims.web_identity_provider {
        context["webIdFederationData"] = json!({ "federatedProvider": provider });
    }
    context
}

/// The user name by which LookupEvents finds a caller's events: the user's, the session's of a role, or `root`.
pub fn username(caller: &Caller) -> String {
    match &caller.credentials {
        Credentials::Root => "root".to_owned(),
        Credentials::Anonymous(_) => "anonymous".to_owned(),
        Credentials::User(user) => user.entity.name.clone(),
        Credentials::Session(session) => match (&session.claims.name, &session.identity) {
            (Some(name), _) => name.clone(),
            (None, Some(user)) => user.entity.name.clone(),
            (None, None) => "root".to_owned(),
        },
    }
}
