//! Making temporary keys, and the shapes in which STS answers them.

use access::Access;
use access::auth::directory::{Directory, Identity};
use access::auth::session::{self, NewSession};
use aws::{AccountId, Region};
use serde::Serialize;

use super::constraints::{Narrowing, in_partition};
use super::errors::StsError;

/// What a session may carry beside its name, as JSON. The session token then fits into every header, and into the
/// registry tokens that are made with it.
const MAX_PACKED_BYTES: usize = 6 * 1024;
/// The longest session of a role that another role's session assumes (IAM User Guide, "Role chaining").
pub const MAX_CHAINED_SECONDS: i64 = 3600;

/// The model's `Credentials`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

/// The model's `AssumedRoleUser`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct AssumedRoleUser {
    assumed_role_id: String,
    arn: String,
}

/// A role's session, made.
pub struct Assumed {
    /// Its keys.
    pub credentials: Credentials,
    /// Its principal.
    pub user: AssumedRoleUser,
    /// How much of what a session may carry it carries, if it carries anything.
    pub packed_policy_size: Option<usize>,
}

/// What a role's session is to be.
#[derive(Default)]
pub struct Wish {
    /// Its name.
    pub name: String,
    /// How long it lasts.
    pub duration_seconds: i64,
    /// What narrows it.
    pub narrowing: Narrowing,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Those that stay when it assumes another role.
    pub transitive_tag_keys: Vec<String>,
    /// Who is behind it.
    pub source_identity: Option<String>,
    /// What a web identity brought along.
    pub web_identity: Vec<(String, String)>,
    /// The web identity's provider.
    pub web_identity_provider: Option<String>,
}

/// Makes keys.
pub fn credentials(app: &Access, session: NewSession) -> Credentials {
    let expiration = aws::time::iso8601(session.expires_at_ms);
    let keys = session::issue(app, session);
    Credentials {
        access_key_id: keys.access_key_id,
        secret_access_key: keys.secret.expose().to_owned(),
        session_token: keys.session_token,
        expiration,
    }
}

/// Makes a session of a role. That the role may be assumed was decided before.
pub fn assume(
    app: &Access,
    directory: &Directory,
    role: &Identity,
    region: &Region,
    wish: Wish,
) -> Result<Assumed, StsError> {
    if wish.duration_seconds > role.entity.max_session_seconds {
        return Err(StsError::Validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.".to_owned(),
        ));
    }
    let account = role.entity.account;
    require_policies(directory, account, &wish.narrowing)?;
    let packed_policy_size = packed_policy_size(&wish)?;
    let user = AssumedRoleUser {
        assumed_role_id: format!("{}:{}", role.entity.id, wish.name),
        arn: in_partition(session::assumed_role_arn(role, &wish.name), region),
    };
    let issued_at_ms = app.now_ms();
    let session = NewSession {
        identity_id: role.entity.id.clone(),
        account,
        name: Some(wish.name),
        is_federated: false,
        issued_at_ms,
        expires_at_ms: issued_at_ms + wish.duration_seconds * 1000,
        policy: wish.narrowing.policy,
        policy_arns: wish.narrowing.policy_arns,
        tags: wish.tags,
        transitive_tag_keys: wish.transitive_tag_keys,
        source_identity: wish.source_identity,
        web_identity: wish.web_identity,
        web_identity_provider: wish.web_identity_provider,
    };
    Ok(Assumed { credentials: credentials(app, session), user, packed_policy_size })
}

/// Refuses managed policies that an account does not have.
pub fn require_policies(directory: &Directory, account: AccountId, narrowing: &Narrowing) -> Result<(), StsError> {
    for arn in &narrowing.policy_arns {
        let is_near = arn.starts_with("arn:aws:iam::aws:policy/")
            || arn.strip_prefix("arn:aws:iam::").is_some_and(|rest| rest.starts_with(account.as_str()));
        if !is_near || directory.managed_policy(arn).is_none() {
            return Err(StsError::Validation(format!("Policy {arn} does not exist or is not attachable.")));
        }
    }
    Ok(())
}

/// In percent; none where there is neither a policy nor a tag.
pub fn packed_policy_size(wish: &Wish) -> Result<Option<usize>, StsError> {
    let Narrowing { policy, policy_arns } = &wish.narrowing;
    let packed = (policy, policy_arns, &wish.tags, &wish.transitive_tag_keys, &wish.web_identity);
    let bytes = serde_json::to_vec(&packed).expect("texts can be written as JSON").len();
    if bytes > MAX_PACKED_BYTES {
        return Err(StsError::PackedPolicyTooLarge);
    }
    let is_empty = policy.is_none() && policy_arns.is_empty() && wish.tags.is_empty();
    Ok((!is_empty).then(|| (bytes * 100).div_ceil(MAX_PACKED_BYTES)))
}
