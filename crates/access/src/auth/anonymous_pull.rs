//! What whoever pulls through the transparent mirror without credentials may do and see: nobody, who is of no account.

use store::tables::pull_through_cache_rules::PullThroughCacheRule;
use store::tables::repositories::RepositoryRef;
use store::tables::upstream_blobs::BlobSource;

use super::authorize::{Need, Resource};
use crate::action::Action;

/// Everything that such a pull may do, to its one repository.
const ACTIONS: [Action; 4] = [
    Action::EcrBatchGetImage,
    Action::EcrGetDownloadUrlForLayer,
    Action::EcrBatchImportUpstreamImage,
    Action::EcrCreateRepository,
];

/// A pull by nobody.
#[derive(Debug)]
pub struct AnonymousPull {
    /// The one repository that it is of.
    pub place: RepositoryRef,
    /// Where everything that it sees came from.
    pub source: BlobSource,
    /// The rule that fills the repository from there.
    pub rule: PullThroughCacheRule,
}

impl AnonymousPull {
    /// Whether it may do that, as far as no policy denies it.
    pub fn may(&self, need: &Need) -> bool {
        let Resource::Repository { registry, name } = &need.resource else { return false };
        let is_opened = need.action.of_operation().is_some_and(|action| ACTIONS.contains(&action));
        *registry == self.place.registry && name == self.place.name.as_str() && is_opened
    }

    /// Whether something came from where this pull looks, by the text of a column `cached_from`.
    pub fn sees(&self, cached_from: Option<&str>) -> bool {
        cached_from == Some(self.source.key().as_str())
    }
}

#[cfg(test)]
mod tests {
    use iam::Outcome;
    use oci::RepositoryName;

    use super::*;
    use crate::auth::authorize::{self, Refusal};
    use crate::auth::caller::Caller;
    use crate::auth::grants;
    use crate::testing::{ACCOUNT, TestAccess, root_key};

    fn pull_of(place: RepositoryRef) -> AnonymousPull {
        AnonymousPull {
            source: BlobSource { upstream_url: "quay.io".to_owned(), upstream_repository: "app".to_owned() },
            rule: PullThroughCacheRule {
                registry: place.registry.clone(),
                prefix: "quay".parse().expect("a prefix"),
                upstream_url: "quay.io".to_owned(),
                upstream_registry: Some("quay".parse().expect("a kind")),
                upstream_prefix: None,
                credential_arn: None,
                custom_role_arn: None,
                created_at_ms: 0,
                updated_at_ms: 0,
            },
            place,
        }
    }

    #[tokio::test]
    async fn nobody_is_not_the_root_user() {
        let test = TestAccess::new(crate::web_identity::SourceConfig::default()).await;
        let (http, registry) = (test.request(), test.registry());
        let name: RepositoryName = "quay/app".parse().expect("a name");
        let nobody = Caller::nobody(pull_of(RepositoryRef { registry: registry.clone(), name }));
        let root = test.caller(&root_key(ACCOUNT));
        assert_eq!(nobody.principal.account(), None);
        assert!(nobody.identity().is_none() && nobody.session().is_none());
        assert_eq!((nobody.arn(), nobody.user_id()), ("anonymous".to_owned(), "anonymous".to_owned()));
        assert!(grants::grantee_names(&nobody).is_empty() && !grants::grantee_names(&root).is_empty());

        let on = |action, name| Need::on_repository(action, &registry, name);
        for (need, is_open) in [
            (on(Action::EcrBatchGetImage, "quay/app"), true),
            (on(Action::EcrGetDownloadUrlForLayer, "quay/app"), true),
            (on(Action::EcrBatchImportUpstreamImage, "quay/app"), true),
            (on(Action::EcrCreateRepository, "quay/app"), true),
            (on(Action::EcrPutImage, "quay/app"), false),
            (on(Action::EcrListImages, "quay/app"), false),
            (on(Action::EcrBatchGetImage, "quay/other"), false),
            (on(Action::EcrBatchGetImage, "*"), false),
            (Need::anywhere(Action::EcrGetAuthorizationToken), false),
            (Need::on(Action::IamGetUser, format!("arn:aws:iam::{ACCOUNT}:user/a")), false),
        ] {
            let answer = authorize::authorize(&http, &nobody, &need).await;
            assert_eq!(answer.is_ok(), is_open, "{need:?}");
            assert!(is_open || matches!(answer, Err(Refusal::Denied(_))), "{need:?}");
            // By policies nothing is allowed to nobody where everything is to the root user.
            let directory = test.identities.current();
            let of_nobody = authorize::decide(&http, &directory, &nobody, &need).await.expect("readable");
            let of_root = authorize::decide(&http, &directory, &root, &need).await.expect("readable");
            assert_eq!((of_nobody.outcome, of_root.outcome), (Outcome::ImplicitDeny, Outcome::Allowed), "{need:?}");
        }
    }
}
