//! CreateGrant, ListGrants, ListRetirableGrants, RevokeGrant and RetireGrant.

use std::collections::BTreeMap;

use access::action::Action;
use access::auth::authorize::{self, Need, Refusal};
use access::auth::grants::GrantTerms;
use access::auth::principals::unknown_arn;
use access::kms::KmsError;
use access::kms::on_key;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use iam::Policy;
use runtime::random_text::random_text;
use serde::{Deserialize, Serialize};
use store::tables::key_version;
use store::tables::kms_grants::{self, GrantConstraints, GrantOperation, KmsGrant};
use store::tables::kms_keys::KeyRef;

use super::constraints::{self, Check, Page};
use super::shapes::Nothing;

/// Grants of a key (KMS quotas: 50,000).
const PREFIX: &str = "wharf-grant:";
const HEX: &[u8] = b"0123456789abcdef";

/// A new grant's id.
pub fn new_id() -> String {
    random_text(HEX, 64)
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| HEX.contains(&byte))
}

fn token_of(grant_id: &str) -> String {
    format!("{PREFIX}{grant_id}")
}

/// The ARN of a user, a role, a role's session or an account, or a service's name.
fn principal(member: &str, text: Option<String>, service: Option<String>) -> Result<Option<String>, KmsError> {
    let Some(text) = text.or(service) else { return Ok(None) };
    Check::length(member, &text, 1, 256)?;
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":{}}},"Action":"kms:*","Resource":"*"}}}}"#,
        serde_json::Value::from(text.as_str())
    );
    let is_service = text.ends_with(".amazonaws.com") && !text.contains([':', '/']);
    if is_service || (text.starts_with("arn:") && Policy::parse(iam::PolicyKind::Key, &document).is_ok()) {
        return Ok(Some(text));
    }
    Err(KmsError::InvalidArn(text))
}

/// CreateGrant.
pub struct CreateGrant;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateInput {
    key_id: Option<String>,
    grantee_principal: Option<String>,
    grantee_service_principal: Option<String>,
    retiring_principal: Option<String>,
    retiring_service_principal: Option<String>,
    operations: Option<Vec<String>>,
    constraints: Option<Constraints>,
    name: Option<String>,
    dry_run: Option<bool>,
}

/// `GrantConstraints`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Constraints {
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_subset: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context_equals: Option<BTreeMap<String, String>>,
}

/// The input of CreateGrant, validated.
pub struct NewGrant {
    key: KeyRef,
    grant: KmsGrant,
    is_dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    grant_token: String,
    grant_id: String,
}

impl Operation for CreateGrant {
    const NAME: &'static str = "CreateGrant";
    const ACTION: Action = Action::KmsCreateGrant;
    const READ_ONLY: bool = false;
    type Input = CreateInput;
    type Output = Created;
    type Checked = NewGrant;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: CreateInput) -> Result<NewGrant, KmsError> {
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        let grantee = principal("granteePrincipal", input.grantee_principal, input.grantee_service_principal)?;
        let retiring = principal("retiringPrincipal", input.retiring_principal, input.retiring_service_principal)?;
        let operations = Check::required("operations", input.operations)?;
        let operations: Result<Vec<GrantOperation>, ()> =
            operations.iter().map(|operation| operation.parse()).collect();
        let operations = operations.ok().filter(|operations| !operations.is_empty()).ok_or_else(|| {
            let known = GrantOperation::ALL.map(GrantOperation::as_str);
            KmsError::validation(format!("operations must be some of {}", known.join(", ")))
        })?;
        if let Some(name) = &input.name {
            Check::length("name", name, 1, 256)?;
            Check::pattern("name", name, constraints::NAME_PATTERN, constraints::is_name(name))?;
        }
        let constraints = input.constraints.map(|given| {
            Ok::<_, KmsError>(GrantConstraints {
                subset: given
                    .encryption_context_subset
                    .map(|map| constraints::context("constraints", Some(map)))
                    .transpose()?,
                equals: given
                    .encryption_context_equals
                    .map(|map| constraints::context("constraints", Some(map)))
                    .transpose()?,
            })
        });
        let grant = KmsGrant {
            grant_id: new_id(),
            kms_key_id: 0,
            grantee: Check::required("granteePrincipal", grantee)?,
            retiring,
            issuing_account: format!("arn:{}:iam::{}:root", call.caller.region.partition(), call.caller.account),
            name: input.name,
            operations,
            constraints: constraints.transpose()?.unwrap_or_default(),
            created_at_ms: call.app.now_ms(),
        };
        Ok(NewGrant { key, grant, is_dry_run: input.dry_run.unwrap_or(false) })
    }

    fn needs(_: &Call<'_>, NewGrant { key, grant, .. }: &NewGrant) -> Vec<Need> {
        let terms = GrantTerms { operations: grant.operations.clone(), constraints: grant.constraints.clone() };
        let mut need = on_key(Self::ACTION, key)
            .making(terms)
            .with("kms:GranteePrincipal", [grant.grantee.as_str()])
            .with("kms:GrantIsForAWSResource", ["false"]);
        if let Some(retiring) = &grant.retiring {
            need = need.with("kms:RetiringPrincipal", [retiring.as_str()]);
        }
        vec![need]
    }

    async fn run(call: &Call<'_>, NewGrant { key, grant, is_dry_run }: NewGrant) -> Result<Created, KmsError> {
        // Asked of callers who may make grants: the answer says who there is.
        for arn in [Some(&grant.grantee), grant.retiring.as_ref()].into_iter().flatten() {
            if unknown_arn(&call.app.identities.current(), &call.app.accounts, arn) {
                return Err(KmsError::InvalidArn(arn.clone()));
            }
        }
        let grant_id = grant.grant_id.clone();
        let created = call.app.db.write(move |tx| {
            let found = constraints::require_usable(tx, &key)?;
            if is_dry_run {
                return Err(KmsError::DryRun);
            }
            kms_grants::insert(tx, &KmsGrant { kms_key_id: found.id, ..grant.clone() })?;
            // There may be others of its name, which nodes hold.
            key_version::increment(tx)?;
            Ok(())
        });
        created.await?;
        call.app.publish_changes().await?;
        Ok(Created { grant_token: token_of(&grant_id), grant_id })
    }
}

/// What lists show of a grant.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GrantEntry {
    key_id: String,
    grant_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    creation_date: Timestamp,
    grantee_principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retiring_principal: Option<String>,
    issuing_account: String,
    operations: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    constraints: Option<Constraints>,
}

impl GrantEntry {
    fn new(grant: KmsGrant, key_arn: String) -> Self {
        let GrantConstraints { subset, equals } = grant.constraints;
        let constraints = (subset.is_some() || equals.is_some())
            .then_some(Constraints { encryption_context_subset: subset, encryption_context_equals: equals });
        Self {
            key_id: key_arn,
            grant_id: grant.grant_id,
            name: grant.name,
            creation_date: Timestamp::from_ms(grant.created_at_ms),
            grantee_principal: grant.grantee,
            retiring_principal: grant.retiring,
            issuing_account: grant.issuing_account,
            operations: grant.operations.into_iter().map(GrantOperation::as_str).collect(),
            constraints,
        }
    }
}

/// The output of both lists.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Listed {
    grants: Vec<GrantEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_marker: Option<String>,
    truncated: bool,
}

/// ListGrants.
pub struct ListGrants;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListInput {
    key_id: Option<String>,
    grant_id: Option<String>,
    grantee_principal: Option<String>,
    grantee_service_principal: Option<String>,
    limit: Option<i64>,
    marker: Option<String>,
}

/// The input of ListGrants, validated.
pub struct Listing {
    key: KeyRef,
    grant_id: Option<String>,
    grantee: Option<String>,
    page: Page,
}

impl Operation for ListGrants {
    const NAME: &'static str = "ListGrants";
    const ACTION: Action = Action::KmsListGrants;
    const READ_ONLY: bool = true;
    type Input = ListInput;
    type Output = Listed;
    type Checked = Listing;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: ListInput) -> Result<Listing, KmsError> {
        if input.grant_id.as_deref().is_some_and(|id| !is_id(id)) {
            return Err(KmsError::InvalidGrantId);
        }
        Ok(Listing {
            key: constraints::key_itself(call, "keyId", input.key_id)?,
            grant_id: input.grant_id,
            grantee: input.grantee_principal.or(input.grantee_service_principal),
            page: constraints::page("grants", input.limit, input.marker.as_deref(), 50)?,
        })
    }

    fn needs(_: &Call<'_>, listing: &Listing) -> Vec<Need> {
        vec![on_key(Self::ACTION, &listing.key)]
    }

    async fn run(call: &Call<'_>, Listing { key, grant_id, grantee, page }: Listing) -> Result<Listed, KmsError> {
        let asked = page.clone();
        let read = call.app.db.read(move |tx| {
            let key = constraints::require(tx, &key)?;
            let found = match &grant_id {
                Some(id) => kms_grants::find(tx, id)?.filter(|grant| grant.kms_key_id == key.id).into_iter().collect(),
                None => kms_grants::list(tx, key.id, grantee.as_deref(), &asked.after, asked.limit + 1)?,
            };
            Ok::<_, KmsError>((key.arn().to_string(), found))
        });
        let (arn, mut found) = read.await?;
        let next_marker = page.cut(&mut found, |grant| grant.grant_id.clone());
        let grants = found.into_iter().map(|grant| GrantEntry::new(grant, arn.clone())).collect();
        Ok(Listed { grants, truncated: next_marker.is_some(), next_marker })
    }
}

/// ListRetirableGrants.
pub struct ListRetirableGrants;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetirableInput {
    retiring_principal: Option<String>,
    retiring_service_principal: Option<String>,
    limit: Option<i64>,
    marker: Option<String>,
}

impl Operation for ListRetirableGrants {
    const NAME: &'static str = "ListRetirableGrants";
    const ACTION: Action = Action::KmsListRetirableGrants;
    const READ_ONLY: bool = true;
    type Input = RetirableInput;
    type Output = Listed;
    type Checked = (String, Page);
    type Error = KmsError;

    fn check(_: &Call<'_>, input: RetirableInput) -> Result<Self::Checked, KmsError> {
        let retiring = principal("retiringPrincipal", input.retiring_principal, input.retiring_service_principal)?;
        let retiring = Check::required("retiringPrincipal", retiring)?;
        Ok((retiring, constraints::page("retirable", input.limit, input.marker.as_deref(), 50)?))
    }

    fn needs(_: &Call<'_>, _: &Self::Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (retiring, page): Self::Checked) -> Result<Listed, KmsError> {
        // As KMS does: those of keys in the caller's account and region.
        let (registry, asked) = (call.own_registry(), page.clone());
        let read = call.app.db.read(move |tx| {
            let found = kms_grants::list_retirable(tx, &registry, &retiring, &asked.after, asked.limit + 1)?;
            let mut shown = Vec::new();
            for grant in found {
                if let Some(key) = store::tables::kms_keys::find_by_row(tx, grant.kms_key_id)? {
                    shown.push(GrantEntry::new(grant, key.arn().to_string()));
                }
            }
            Ok::<_, KmsError>(shown)
        });
        let mut grants = read.await?;
        let next_marker = page.cut(&mut grants, |grant| grant.grant_id.clone());
        Ok(Listed { grants, truncated: next_marker.is_some(), next_marker })
    }
}

/// RevokeGrant.
pub struct RevokeGrant;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RevokeInput {
    key_id: Option<String>,
    grant_id: Option<String>,
    dry_run: Option<bool>,
}

impl Operation for RevokeGrant {
    const NAME: &'static str = "RevokeGrant";
    const ACTION: Action = Action::KmsRevokeGrant;
    const READ_ONLY: bool = false;
    type Input = RevokeInput;
    type Output = Nothing;
    type Checked = (KeyRef, String, bool);
    type Error = KmsError;

    fn check(call: &Call<'_>, input: RevokeInput) -> Result<Self::Checked, KmsError> {
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        let grant_id = Check::required("grantId", input.grant_id)?;
        if !is_id(&grant_id) {
            return Err(KmsError::InvalidGrantId);
        }
        Ok((key, grant_id, input.dry_run.unwrap_or(false)))
    }

    fn needs(_: &Call<'_>, (key, ..): &Self::Checked) -> Vec<Need> {
        vec![on_key(Self::ACTION, key)]
    }

    async fn run(call: &Call<'_>, (key, grant_id, is_dry_run): Self::Checked) -> Result<Nothing, KmsError> {
        remove(call, key, grant_id, is_dry_run).await
    }
}

async fn remove(call: &Call<'_>, key: KeyRef, grant_id: String, is_dry_run: bool) -> Result<Nothing, KmsError> {
    let removed = call.app.db.write(move |tx| {
        let found = constraints::require(tx, &key)?;
        let grant = kms_grants::find(tx, &grant_id)?.filter(|grant| grant.kms_key_id == found.id);
        if grant.is_none() {
            return Err(KmsError::GrantNotFound(grant_id.clone()));
        }
        if is_dry_run {
            return Err(KmsError::DryRun);
        }
        kms_grants::delete(tx, &grant_id)?;
        key_version::increment(tx)?;
        Ok(Nothing {})
    });
    let removed = removed.await?;
    call.app.publish_changes().await?;
    Ok(removed)
}

/// RetireGrant.
pub struct RetireGrant;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RetireInput {
    grant_token: Option<String>,
    key_id: Option<String>,
    grant_id: Option<String>,
    dry_run: Option<bool>,
}

/// The input of RetireGrant, validated.
pub struct Retiring {
    key: Option<KeyRef>,
    grant_id: String,
    is_dry_run: bool,
}

impl Operation for RetireGrant {
    const NAME: &'static str = "RetireGrant";
    const ACTION: Action = Action::KmsRetireGrant;
    const READ_ONLY: bool = false;
    type Input = RetireInput;
    type Output = Nothing;
    type Checked = Retiring;
    type Error = KmsError;

    fn check(call: &Call<'_>, input: RetireInput) -> Result<Retiring, KmsError> {
        let is_dry_run = input.dry_run.unwrap_or(false);
        if let Some(token) = input.grant_token {
            let grant_id = token.strip_prefix(PREFIX).filter(|id| is_id(id)).ok_or(KmsError::InvalidGrantToken)?;
            return Ok(Retiring { key: None, grant_id: grant_id.to_owned(), is_dry_run });
        }
        let key = constraints::key_itself(call, "keyId", input.key_id)?;
        let grant_id = Check::required("grantId", input.grant_id)?;
        if !is_id(&grant_id) {
            return Err(KmsError::InvalidGrantId);
        }
        Ok(Retiring { key: Some(key), grant_id, is_dry_run })
    }

    /// Who the grant names may retire it without any policy; the others are asked about when it is known.
    fn needs(_: &Call<'_>, _: &Retiring) -> Vec<Need> {
        Vec::new()
    }

    async fn run(call: &Call<'_>, Retiring { key, grant_id, is_dry_run }: Retiring) -> Result<Nothing, KmsError> {
        let (sought, named) = (grant_id.clone(), key.clone());
        let read = call.app.db.read(move |tx| {
            let Some(grant) = kms_grants::find(tx, &sought)? else { return Ok(None) };
            let Some(of) = store::tables::kms_keys::find_by_row(tx, grant.kms_key_id)? else { return Ok(None) };
            Ok::<_, KmsError>(Some((grant, of)))
        });
        let found = read.await?.filter(|(_, of)| {
            named.as_ref().is_none_or(|named| named.registry == of.registry && named.name == of.key_id.to_string())
        });
        // Its retiring principal, the account that it was made from, and its grantee if it says so.
        let mut principals = Vec::new();
        if let Some((grant, _)) = &found {
            let may_grantee = grant.operations.contains(&GrantOperation::RetireGrant);
            principals.extend(grant.retiring.as_deref());
            principals.push(&grant.issuing_account);
            principals.extend(may_grantee.then_some(grant.grantee.as_str()));
        }
        let of = found.as_ref().map(|(_, of)| KeyRef { registry: of.registry.clone(), name: of.key_id.to_string() });
        let is_unnamed = key.is_none() && of.as_ref().is_some_and(|of| of.registry.account != call.caller.account);
        let absent = key.unwrap_or_else(|| KeyRef { registry: call.own_registry(), name: "*".to_owned() });
        let need = |key| on_key(Self::ACTION, key);
        let allowed =
            authorize::authorize_named(call.http, &call.caller, &need(of.as_ref().unwrap_or(&absent)), &principals)
                .await;
        match allowed {
            // Of another account's key the token tells whoever may not use it as little as the token of no grant.
            Err(Refusal::Denied(_)) if is_unnamed => {
                authorize::authorize_named(call.http, &call.caller, &need(&absent), &[]).await?;
                return Err(KmsError::GrantNotFound(grant_id));
            }
            other => other?,
        }
        let (_, of) = found.ok_or_else(|| KmsError::GrantNotFound(grant_id.clone()))?;
        let key = KeyRef { registry: of.registry, name: of.key_id.to_string() };
        remove(call, key, grant_id, is_dry_run).await
    }
}
