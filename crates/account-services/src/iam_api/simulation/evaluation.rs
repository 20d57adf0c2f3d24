//! Runs a simulation: every action on every resource, through the evaluator.

use aws::AccountId;
use iam::{Attached, Context, Decision, Effect, Outcome, Policies, PolicyKind, Principal, Request, Source};
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::tables::iam::entities::{Entity, EntityKind};

use super::context::{self, ContextEntry};
use super::policies::Simulated;
use crate::iam_api::constraints::{self, Check};
use crate::iam_api::errors::IamError;
use crate::iam_api::paging::{Page, PageInput, PageOutput};

/// Results of one simulation; beyond that it is asked for in parts.
const MAX_RESULTS: usize = 10_000;

/// What both simulators take.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct SimulationInput {
    #[serde(default, deserialize_with = "constraints::list")]
    policy_input_list: Option<Vec<String>>,
    #[serde(default, deserialize_with = "constraints::list")]
    permissions_boundary_policy_input_list: Option<Vec<String>>,
    #[serde(default, deserialize_with = "constraints::list")]
    action_names: Option<Vec<String>>,
    #[serde(default, deserialize_with = "constraints::list")]
    resource_arns: Option<Vec<String>>,
    resource_policy: Option<String>,
    resource_owner: Option<String>,
    caller_arn: Option<String>,
    #[serde(default, deserialize_with = "constraints::list")]
    context_entries: Option<Vec<ContextEntry>>,
    policy_exclusion_list: Option<serde_json::Value>,
    ordered_organization_policy_input_list: Option<serde_json::Value>,
    #[serde(flatten)]
    page: PageInput,
}

/// A simulation, checked.
pub struct Simulation {
    account: AccountId,
    now_ms: i64,
    /// The policies given with the request.
    pub inputs: Vec<Simulated>,
    /// Whether the request said anything of policies.
    pub has_inputs: bool,
    boundary: Option<Simulated>,
    actions: Vec<String>,
    resources: Vec<String>,
    resource_policy: Option<Simulated>,
    resource_owner: String,
    caller_arn: Option<String>,
    context: Vec<(String, Vec<String>)>,
    page: Page,
}

fn check_actions(actions: Option<Vec<String>>) -> Result<Vec<String>, IamError> {
    let actions = Check::required("actionNames", actions)?;
    for action in &actions {
        Check::length("actionNames", action, 3, 128)?;
        let is_action = action.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
        if !is_action {
            return Err(IamError::InvalidInput(format!("Invalid action: {action}. It must be service:action.")));
        }
    }
    Ok(actions)
}

/// The account that owns the resources: an id, or the ARN of an account's root.
fn check_owner(owner: Option<String>, account: AccountId) -> Result<String, IamError> {
    let Some(owner) = owner else { return Ok(account.to_string()) };
    let id = owner.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root")).unwrap_or(&owner);
    let id: AccountId = id.parse().map_err(|_| IamError::InvalidInput(format!("Invalid ResourceOwner: {owner}")))?;
    Ok(id.to_string())
}

impl Simulation {
    /// Checks what both simulators take.
    pub fn check(app: &Registry, account: AccountId, input: SimulationInput) -> Result<Self, IamError> {
        let unsupported =
            input.policy_exclusion_list.is_some() || input.ordered_organization_policy_input_list.is_some();
        if unsupported {
            let message = "Policies cannot be left out of a simulation, and there are no organization policies.";
            return Err(IamError::InvalidInput(message.to_owned()));
        }
        let has_inputs = input.policy_input_list.is_some();
        let inputs = Simulated::inputs("PolicyInputList", input.policy_input_list)?;
        let mut boundaries =
            Simulated::inputs("PermissionsBoundaryPolicyInputList", input.permissions_boundary_policy_input_list)?;
        if boundaries.len() > 1 {
            return Err(IamError::InvalidInput("At most one permissions boundary can be given.".to_owned()));
        }
        let resource_policy = input.resource_policy.map(|text| {
            let name = "ResourcePolicy".to_owned();
            Simulated::new(PolicyKind::Repository, name, "resource", text)
                .map_err(|error| IamError::InvalidInput(error.aws_message()))
        });
        let resources = input.resource_arns.filter(|arns| !arns.is_empty()).unwrap_or_else(|| vec!["*".to_owned()]);
        for resource in &resources {
            Check::length("resourceArns", resource, 1, 2048)?;
            if resource != "*" && resource.parse::<aws::Arn>().is_err() {
                return Err(IamError::InvalidInput(format!("Invalid Resource Arn: {resource}")));
            }
        }
        let caller_arn = input.caller_arn.map(|arn| constraints::arn("callerArn", Some(arn))).transpose()?;
        if let Some(arn) = &caller_arn
            && !arn.contains(":user/")
        {
            return Err(IamError::InvalidInput(format!("CallerArn must be the ARN of a user: {arn}")));
        }
        let actions = check_actions(input.action_names)?;
        if actions.len().saturating_mul(resources.len()) > MAX_RESULTS {
            return Err(IamError::InvalidInput("The simulation is too large.".to_owned()));
        }
        Ok(Self {
            account,
            now_ms: app.now_ms(),
            inputs,
            has_inputs,
            boundary: boundaries.pop(),
            actions,
            resources,
            resource_policy: resource_policy.transpose()?,
            resource_owner: check_owner(input.resource_owner, account)?,
            caller_arn,
            context: context::check(input.context_entries)?,
            page: input.page.check()?,
        })
    }

    /// Who makes the simulated requests: the caller that is named, or else whose policies are simulated.
    fn principal(&self, entity: Option<&Entity>) -> Result<Principal, IamError> {
        let account = self.account.to_string();
        let user = |arn: String, unique_id: &str| Principal::User {
            account: arn.split(':').nth(4).unwrap_or(&account).to_owned(),
            arn,
            unique_id: unique_id.to_owned(),
        };
        if let Some(arn) = &self.caller_arn {
            let is_entity = entity.filter(|entity| entity.arn() == *arn);
            return Ok(user(arn.clone(), is_entity.map_or("", |entity| &entity.id)));
        }
        match entity {
            Some(entity) if entity.kind == EntityKind::User => Ok(user(entity.arn(), &entity.id)),
            Some(entity) if entity.kind == EntityKind::Role => Ok(Principal::AssumedRole {
                account,
                role_arn: entity.arn(),
                role_unique_id: entity.id.clone(),
                session_arn: format!("arn:aws:sts::{}:assumed-role/{}/simulation", self.account, entity.name),
            }),
            Some(_) | None if self.resource_policy.is_some() => {
                Err(IamError::InvalidInput("CallerArn must be given with a ResourcePolicy.".to_owned()))
            }
            // Nobody's: a user that no policy can name.
            Some(_) | None => Ok(user(format!("arn:aws:iam::{account}:user/"), "")),
        }
    }

    /// The results, for the policies of an entity, or for those of the request alone.
    pub fn run(
        &self,
        entity: Option<&Entity>,
        policies: &[Simulated],
        own_boundary: Option<&Simulated>,
    ) -> Result<SimulationOutput, IamError> {
        let principal = self.principal(entity)?;
        let boundary = self.boundary.as_ref().or(own_boundary);
        let context = context::make(&principal, entity, self.now_ms, &self.context);
        let all = policies.iter().chain(&self.inputs).chain(boundary).chain(&self.resource_policy);
        let read = context::keys_of(all.clone());
        let missing: Vec<String> = read.into_iter().filter(|key| context.get(key).is_none()).collect();
        let identity: Vec<Attached> = policies.iter().chain(&self.inputs).map(|one| one.attached.clone()).collect();
        let in_force = Policies {
            identity: &identity,
            boundary: boundary.map(|boundary| &boundary.attached),
            repository: self.resource_policy.as_ref().map(|policy| &policy.attached),
            ..Policies::default()
        };
        let types: Vec<(&str, &'static str)> =
            all.map(|policy| (policy.attached.name.as_str(), policy.source_type)).collect();
        let pairs =
            self.actions.iter().flat_map(|action| self.resources.iter().map(move |resource| (action, resource)));
        let numbered: Vec<(usize, (&String, &String))> = pairs.enumerate().collect();
        let (page, output) = self.page.cut(numbered, |(number, _)| format!("{number:010}"));
        let results = page.into_iter().map(|(_, (action, resource))| {
            let decision = self.decide(&principal, &context, &in_force, action, resource);
            result(action, resource, &decision, boundary.is_some(), &types, &missing)
        });
        Ok(SimulationOutput { evaluation_results: results.collect(), page: output })
    }

    fn decide(
        &self,
        principal: &Principal,
        context: &Context,
        policies: &Policies<'_>,
        action: &str,
        resource: &str,
    ) -> Decision {
        let request = Request { principal, action, resource, resource_account: &self.resource_owner, context };
        iam::decide(&request, policies)
    }
}

fn result(
    action: &str,
    resource: &str,
    decision: &Decision,
    is_bounded: bool,
    types: &[(&str, &'static str)],
    missing: &[String],
) -> EvaluationResult {
    let (eval_decision, effect) = match decision.outcome {
        Outcome::Allowed => ("allowed", Effect::Allow),
        Outcome::ExplicitDeny => ("explicitDeny", Effect::Deny),
        Outcome::ImplicitDeny => ("implicitDeny", Effect::Allow),
    };
    let of_boundary =
        |effect| decision.matched.iter().any(|one| one.source == Source::Boundary && one.effect == effect);
    let determining = decision
        .matched
        .iter()
        .filter(|one| one.effect == effect && (effect == Effect::Deny || one.source != Source::Boundary));
    let matched_statements = determining.map(|one| MatchedStatement {
        source_policy_id: one.policy_name.clone(),
        source_policy_type: types.iter().find(|(name, _)| *name == one.policy_name).map_or("none", |(_, kind)| kind),
        start_position: Position { line: one.start.line, column: one.start.column },
        end_position: Position { line: one.end.line, column: one.end.column },
    });
    EvaluationResult {
        eval_action_name: action.to_owned(),
        eval_resource_name: resource.to_owned(),
        eval_decision,
        matched_statements: matched_statements.collect(),
        missing_context_values: missing.to_vec(),
        permissions_boundary_decision_detail: is_bounded.then(|| BoundaryDetail {
            allowed_by_permissions_boundary: of_boundary(Effect::Allow) && !of_boundary(Effect::Deny),
        }),
    }
}

/// What both simulators answer.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct SimulationOutput {
    evaluation_results: Vec<EvaluationResult>,
    #[serde(flatten)]
    page: PageOutput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct EvaluationResult {
    eval_action_name: String,
    eval_resource_name: String,
    eval_decision: &'static str,
    matched_statements: Vec<MatchedStatement>,
    missing_context_values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary_decision_detail: Option<BoundaryDetail>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct MatchedStatement {
    source_policy_id: String,
    source_policy_type: &'static str,
    start_position: Position,
    end_position: Position,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Position {
    line: usize,
    column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BoundaryDetail {
    allowed_by_permissions_boundary: bool,
}
