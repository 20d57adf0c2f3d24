//! The first step of every request, whatever its protocol: from the host that it was sent to, the registry that its names
//! belong to (`?ns=`) and the credentials that it shows, to who makes it and which registry it asks. Nothing after it looks
//! at credentials again.

mod refused;
mod shown;
#[cfg(test)]
mod tests;

use access::auth::caller::Caller;
use access::auth::sigv4;
use access::auth::token::{self, TokenError, TokenHolder};
use access::request::RequestContext;
use oci::RepositoryName;
use registry::Registry;
use registry::cache::anonymous;
use registry::cache::mirror::{self, Mirrored};
use store::tables::registry_id::RegistryId;

pub use refused::{Refused, refuse};
pub use shown::{Scheme, Shown, Signature};

/// What a request says of itself while nobody is known.
pub struct Asking<'a> {
    /// The host that it was sent to; empty where hosts say nothing of registries.
    pub host: &'a str,
    /// The repository that it means, if it names it by another registry.
    pub namespace: Option<Namespace<'a>>,
    /// What it shows of who makes it.
    pub credentials: Shown<'a>,
}

/// A repository as another registry names it (OCI distribution, "Registry Proxying").
pub struct Namespace<'a> {
    /// That registry.
    pub upstream: String,
    /// The name there.
    pub name: &'a RepositoryName,
}

/// A request that was let in.
#[derive(Debug)]
pub struct Admitted {
    /// Who makes it.
    pub caller: Caller,
    /// The registry that it asks: the host's, or else the one that its credentials are for.
    pub registry: RegistryId,
    /// What stands here for the repository that it names by another registry.
    pub mirrored: Option<MirroredRepository>,
}

/// A repository here that stands for one of another registry.
#[derive(Debug, PartialEq, Eq)]
pub struct MirroredRepository {
    /// That registry.
    pub upstream: String,
    /// The name here.
    pub name: RepositoryName,
}

/// Lets a request in, or says why not.
pub async fn admit(registry: &Registry, http: &RequestContext, asking: Asking<'_>) -> Result<Admitted, Refused> {
    let Asking { host, namespace, credentials } = asking;
    let namespace = namespace.filter(|namespace| !is_own(http, host, &namespace.upstream));
    let (caller, asked) = match credentials {
        Shown::Signature(signature) => by_signature(http, host, signature)?,
        Shown::Token { scheme: Scheme::Basic, text } => by_token(http, host, text)?,
        Shown::Nothing => {
            let Some(namespace) = namespace else { return Err(no_token(http, host)) };
            return match registry.cache.mirror.registry_for(&namespace.upstream) {
                Some(open) => admit_anonymous(registry, http, open, namespace).await,
                None => Err(no_token(http, host)),
            };
        }
        // ECR's private registries ask for Basic and take nothing else (reference/access.md 6); all that there are are such.
        Shown::Token { scheme: Scheme::Bearer, .. } | Shown::Unreadable => return Err(no_token(http, host)),
    };
    http.notes.set_principal(|| caller.arn());
    let Some(Namespace { upstream, name }) = namespace else {
        return Ok(Admitted { caller, registry: asked, mirrored: None });
    };
    let mirrored = match mirror::find(registry, &asked, &upstream, name).await? {
        Mirrored::Here(_, name) => Some(MirroredRepository { upstream, name }),
        // A registry that mirrors nothing takes no notice (OCI distribution, "Registry Proxying"). One that does must not
        // pass its own repository of that name off as the other registry's.
        Mirrored::Nothing => None,
        Mirrored::Elsewhere => return Err(Refused::NotMirrored(upstream)),
    };
    Ok(Admitted { caller, registry: asked, mirrored })
}

/// Lets nobody in particular pull what a rule of the registry that is open to all has from elsewhere, and nothing else.
async fn admit_anonymous(
    registry: &Registry,
    http: &RequestContext,
    open: &RegistryId,
    namespace: Namespace<'_>,
) -> Result<Admitted, Refused> {
    let Namespace { upstream, name } = namespace;
    let Mirrored::Here(rule, name) = mirror::find(registry, open, &upstream, name).await? else {
        return Err(Refused::NotMirrored(upstream));
    };
    let Some(caller) = anonymous::caller(open.repository(&name), rule) else {
        return Err(Refused::NotMirrored(upstream));
    };
    http.notes.set_principal(|| caller.arn());
    Ok(Admitted { caller, registry: open.clone(), mirrored: Some(MirroredRepository { upstream, name }) })
}

/// Who has signed, and the registry of that account in the region that is signed for.
fn by_signature(http: &RequestContext, host: &str, signature: Signature<'_>) -> Result<(Caller, RegistryId), Refused> {
    let Signature { claim, body_sha256, service } = signature;
    let caller = sigv4::authenticate(http, claim, body_sha256, service, host)?;
    let own = caller.own_registry();
    Ok((caller, own))
}

/// Whom a token stands for, and the registry that the host names, or else the one that the token was made for.
fn by_token(http: &RequestContext, host: &str, text: &str) -> Result<(Caller, RegistryId), Refused> {
    let access = &http.app;
    let named = access.hosts.registry_of(host);
    let TokenHolder { caller, registry } = match token::verify(access, text) {
        Ok(holder) => holder,
        Err(TokenError::Missing) => return Err(Refused::NoToken(named)),
        Err(TokenError::Invalid) => return Err(Refused::InvalidToken),
        Err(TokenError::Expired) => return Err(Refused::ExpiredToken),
    };
    match named {
        Some(named) if !access.accounts.has_region(named.region.as_str()) => Err(Refused::NotServed(named.region)),
        // A token is good in the region that it was made in.
        Some(named) if named.region != registry.region => Err(Refused::OtherRegion),
        Some(named) => Ok((caller, named)),
        None => Ok((caller, registry)),
    }
}

fn no_token(http: &RequestContext, host: &str) -> Refused {
    Refused::NoToken(http.app.hosts.registry_of(host))
}

/// Whether another registry's name is one of this server: a client that has it as a mirror of itself means the repository of
/// that name.
fn is_own(http: &RequestContext, host: &str, upstream: &str) -> bool {
    upstream == host || http.app.hosts.registry_of(upstream).is_some()
}
