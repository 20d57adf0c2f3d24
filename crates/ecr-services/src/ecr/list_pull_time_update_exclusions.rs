//! ListPullTimeUpdateExclusions: the principals whose pulls leave the last pull time of images as it is.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use serde::{Deserialize, Serialize};
use store::tables::pull_time_exclusions::{self, PrincipalArn};

use super::constraints::{self, Check, Page};
use super::errors::EcrError;
use super::register_pull_time_update_exclusion::MAX_EXCLUSIONS;

/// Lists the principals whose pulls leave the last pull time of images as it is, page by page.
pub struct ListPullTimeUpdateExclusions;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    pull_time_update_exclusions: Vec<PrincipalArn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Operation for ListPullTimeUpdateExclusions {
    const NAME: &'static str = "ListPullTimeUpdateExclusions";
    const ACTION: Action = Action::EcrListPullTimeUpdateExclusions;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Page;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Page, EcrError> {
        let list = List::with_members(Self::NAME, &[&call.own_registry()]);
        Check::page(list, input.max_results, input.next_token.as_deref(), MAX_EXCLUSIONS, 1000)
    }

    fn needs(_: &Call<'_>, _: &Page) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, page: Page) -> Result<Output, EcrError> {
        let registry = call.own_registry();
        let (after, limit) = (page.after[0].clone(), page.limit);
        let listed = call.app.db.read(move |tx| pull_time_exclusions::list(tx, &registry, &after, limit + 1));
        let mut pull_time_update_exclusions = listed.await?;
        let next_token = page.cut(&mut pull_time_update_exclusions, |last| constraints::after(last.as_str()));
        Ok(Output { pull_time_update_exclusions, next_token })
    }
}
