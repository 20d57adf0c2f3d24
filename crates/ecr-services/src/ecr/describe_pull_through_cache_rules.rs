//! DescribePullThroughCacheRules: the rules of a registry.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryPrefix;
use serde::{Deserialize, Serialize};
use store::tables::pull_through_cache_rules;
use store::tables::registry_id::RegistryId;

use super::constraints::{self, Check, Page};
use super::errors::EcrError;
use super::pull_through_cache_rules::{self as rules, Rule};

/// Lists the pull through cache rules that are named by their prefixes, or all of a registry page by page.
pub struct DescribePullThroughCacheRules;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    ecr_repository_prefixes: Option<Vec<String>>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    pull_through_cache_rules: Vec<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// Which rules are asked for.
pub enum RuleSelection {
    /// These, all of which must exist.
    Prefixes(Vec<RepositoryPrefix>),
    /// A page of all.
    Page(Page),
}

impl Operation for DescribePullThroughCacheRules {
    const NAME: &'static str = "DescribePullThroughCacheRules";
    const ACTION: Action = Action::EcrDescribePullThroughCacheRules;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = (RegistryId, RuleSelection);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        const PREFIXES: &str = "ecrRepositoryPrefixes";
        let registry = rules::own_registry(call, input.registry_id.as_deref())?;
        let Some(prefixes) = input.ecr_repository_prefixes else {
            let list = List::with_members(Self::NAME, &[&registry]);
            let page = Check::page(list, input.max_results, input.next_token.as_deref(), 100, 1000)?;
            return Ok((registry, RuleSelection::Page(page)));
        };
        let prefixes = Check::list(PREFIXES, Some(prefixes), 1, 100)?;
        constraints::refuse_beside(PREFIXES, input.max_results, input.next_token.as_deref())?;
        let prefixes = prefixes.iter().map(|text| rules::prefix(PREFIXES, text)).collect::<Result<_, _>>()?;
        Ok((registry, RuleSelection::Prefixes(prefixes)))
    }

    fn needs(_: &Call<'_>, _: &Self::Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (registry, selection): Self::Checked) -> Result<Output, EcrError> {
        let db = &call.app.db;
        let (mut found, page) = match selection {
            RuleSelection::Prefixes(prefixes) => {
                let found = db.read(move |tx| {
                    prefixes.iter().map(|prefix| rules::require(tx, &registry, prefix)).collect::<Result<Vec<_>, _>>()
                });
                (found.await?, None)
            }
            RuleSelection::Page(page) => {
                let (after, limit) = (page.after[0].clone(), page.limit);
                let found = db.read(move |tx| {
                    pull_through_cache_rules::list(tx, &registry, &after, limit + 1).map_err(EcrError::from)
                });
                (found.await?, Some(page))
            }
        };
        let next_token = page.and_then(|page| page.cut(&mut found, |last| constraints::after(last.prefix.key())));
        Ok(Output { pull_through_cache_rules: found.into_iter().map(Rule::whole).collect(), next_token })
    }
}
