//! CreateServiceLinkedRole, DeleteServiceLinkedRole and GetServiceLinkedRoleDeletionStatus: the roles that ECR works with on
//! AWS. Here ECR needs none; they are there for tools that make and look for them.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use runtime::random_text::new_access_key_id;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::db::Tx;
use store::tables::iam::entities::{self, Entity, EntityKind};
use store::tables::iam::policies_of_entities;
use uuid::Uuid;

use crate::iam_api::constraints::{self, Check};
use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::references;
use crate::iam_api::shapes::Role;

/// What the paths of these roles begin with.
const PATH: &str = "/aws-service-role/";
/// The services of ECR that have a role, and its name (ECR User Guide, "Using service-linked roles").
const SERVICES: [(&str, &str); 2] = [
    ("pullthroughcache.ecr.amazonaws.com", "AWSServiceRoleForECRPullThroughCache"),
    ("replication.ecr.amazonaws.com", "AWSServiceRoleForECRReplication"),
];

/// Whether a role is linked to a service, which alone may change it.
pub fn is_service_linked(entity: &Entity) -> bool {
    entity.kind == EntityKind::Role && entity.path.starts_with(PATH)
}

/// Refuses a path that only these roles have.
pub fn check_path(path: &str) -> Result<(), IamError> {
    if !path.starts_with(PATH) {
        return Ok(());
    }
    Err(IamError::InvalidInput(format!("Paths that begin with {PATH} are those of service-linked roles.")))
}

/// CreateServiceLinkedRole.
pub struct CreateServiceLinkedRole {
    role: Entity,
    service: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateInput {
    #[serde(rename = "AWSServiceName")]
    aws_service_name: Option<String>,
    description: Option<String>,
    custom_suffix: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    role: Role,
}

impl IamOperation for CreateServiceLinkedRole {
    const ACTION: Action = Action::IamCreateServiceLinkedRole;
    const ACCESS: Access = Access::Changes;
    type Input = CreateInput;
    type Output = Created;

    fn check(call: &Call<'_>, input: CreateInput) -> Result<Self, IamError> {
        let given = constraints::name("aWSServiceName", input.aws_service_name, constraints::MAX_NAME)?;
        let Some((service, name)) = SERVICES.into_iter().find(|(service, _)| *service == given) else {
            let known = SERVICES.map(|(service, _)| service).join(" and ");
            return Err(IamError::InvalidInput(format!(
                "The service {given} has no service-linked role: this server has those of {known}."
            )));
        };
        if input.custom_suffix.is_some() {
            return Err(IamError::InvalidInput(format!("Custom suffix is not allowed for {service}")));
        }
        let trust = json!({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
        });
        let role = Entity {
            id: new_access_key_id("AROA"),
            account: call.caller.account,
            kind: EntityKind::Role,
            name: name.to_owned(),
            path: format!("{PATH}{service}/"),
            created_at_ms: call.app.now_ms(),
            boundary_arn: None,
            tags: Vec::new(),
            description: constraints::description(input.description)?,
            trust_policy: Some(trust.to_string()),
            max_session_seconds: 3600,
        };
        Ok(Self { role, service })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::on(Self::ACTION, self.role.arn()).with("iam:AWSServiceName", [self.service])]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Created, IamError> {
        if !entities::insert(tx, &self.role)? {
            return Err(IamError::InvalidInput(format!(
                "Service role name {} has been taken in this account, please try a different suffix.",
                self.role.name
            )));
        }
        // These alone may go over the quota of roles, which they count for.
        references::release(tx, &self.role)?;
        Ok(Created { role: Role::whole(&self.role) })
    }
}

/// DeleteServiceLinkedRole.
pub struct DeleteServiceLinkedRole {
    role: EntityRef,
    task: Uuid,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DeleteInput {
    role_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Deleted {
    deletion_task_id: String,
}

/// The service in the path of a role that is linked to one.
fn service_of(path: &str) -> Option<&str> {
    path.strip_prefix(PATH)?.strip_suffix('/')
}

impl IamOperation for DeleteServiceLinkedRole {
    const ACTION: Action = Action::IamDeleteServiceLinkedRole;
    const ACCESS: Access = Access::Changes;
    type Input = DeleteInput;
    type Output = Deleted;

    fn check(call: &Call<'_>, input: DeleteInput) -> Result<Self, IamError> {
        Ok(Self { role: EntityRef::new(call, EntityKind::Role, input.role_name)?, task: runtime::random::uuid() })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        let need = self.role.need(call, Self::ACTION);
        let service = SERVICES.into_iter().find(|(_, name)| name.eq_ignore_ascii_case(&self.role.name));
        vec![match service {
            Some((service, _)) => need.with("iam:AWSServiceName", [service]),
            None => need,
        }]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Deleted, IamError> {
        let role = self.role.require(tx)?;
        let Some(service) = service_of(&role.path) else { return Err(IamError::NotServiceLinked(role.name)) };
        for arn in policies_of_entities::list_attached(tx, &role.id)? {
            policies_of_entities::detach(tx, &role.id, &arn)?;
        }
        for policy in policies_of_entities::list_inline(tx, &role.id)? {
            policies_of_entities::delete_inline(tx, &role.id, &policy.name)?;
        }
        entities::delete(tx, &role.id)?;
        references::leave_id(tx, &role)?;
        Ok(Deleted { deletion_task_id: format!("task{PATH}{service}/{}/{}", role.name, self.task) })
    }
}

/// GetServiceLinkedRoleDeletionStatus. A role is gone when its deletion is answered.
pub struct GetServiceLinkedRoleDeletionStatus {
    role: EntityRef,
    service: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct StatusInput {
    deletion_task_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Status {
    status: &'static str,
}

/// The service and the role in the id of a deletion.
fn parts_of(task: &str) -> Option<(&'static str, &'static str)> {
    let (role, id) = task.strip_prefix("task")?.strip_prefix(PATH)?.rsplit_once('/')?;
    id.parse::<Uuid>().ok()?;
    let (service, name) = role.split_once('/')?;
    SERVICES.into_iter().find(|known| *known == (service, name))
}

impl IamOperation for GetServiceLinkedRoleDeletionStatus {
    const ACTION: Action = Action::IamGetServiceLinkedRoleDeletionStatus;
    const ACCESS: Access = Access::Reads;
    type Input = StatusInput;
    type Output = Status;

    fn check(call: &Call<'_>, input: StatusInput) -> Result<Self, IamError> {
        let task = Check::required("deletionTaskId", input.deletion_task_id)?;
        Check::length("deletionTaskId", &task, 1, 1000)?;
        let (service, name) = parts_of(&task).ok_or(IamError::NoSuchDeletion(task))?;
        Ok(Self { role: EntityRef::new(call, EntityKind::Role, Some(name.to_owned()))?, service })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.role.need(call, Self::ACTION).with("iam:AWSServiceName", [self.service])]
    }

    fn run(&self, _: &Registry, _: &mut dyn Tx) -> Result<Status, IamError> {
        Ok(Status { status: "SUCCEEDED" })
    }
}
