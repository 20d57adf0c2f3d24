//! GetPolicyVersion, ListPolicyVersions, SetDefaultPolicyVersion and DeletePolicyVersion.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::policies;

use crate::iam_api::constraints::Check;
use crate::iam_api::errors::{Dependent, IamError};
use crate::iam_api::managed_policy::{Managed, ManagedRef};
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::paging::{Page, PageInput, PageOutput};
use crate::iam_api::shapes::{Version, version_id};

/// A version of a policy, as requests name it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    policy_arn: Option<String>,
    version_id: Option<String>,
}

struct VersionRef {
    policy: ManagedRef,
    version: i64,
}

impl VersionRef {
    fn new(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let policy = ManagedRef::new(call, "policyArn", input.policy_arn)?;
        let id = Check::required("versionId", input.version_id)?;
        // Numbers that are written with a zero in front, or with a sign, are none of ours.
        let number = id.strip_prefix('v').and_then(|number| number.parse().ok()).unwrap_or_default();
        let is_id = number > 0 && version_id(number) == id;
        Check::pattern("versionId", &id, r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?", is_id)?;
        Ok(Self { policy, version: number })
    }

    fn not_found(&self) -> IamError {
        IamError::NoSuchPolicyVersion { arn: self.policy.arn.clone(), version: version_id(self.version) }
    }
}

/// GetPolicyVersion.
pub struct GetPolicyVersion(VersionRef);

/// A version with its document.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    policy_version: Version,
}

impl IamOperation for GetPolicyVersion {
    const ACTION: Action = Action::IamGetPolicyVersion;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        VersionRef::new(call, input).map(Self)
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.0.policy.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let policy_version = match self.0.policy.require(tx)? {
            Managed::Aws(policy) if policy.version == self.0.version => {
                Version::aws_managed(policy, Some(policy.document()))
            }
            Managed::Aws(_) => return Err(self.0.not_found()),
            Managed::Customer(policy) => {
                let version = policies::find_version(tx, &policy.arn, self.0.version)?;
                Version::whole(&policy, &version.ok_or_else(|| self.0.not_found())?)
            }
        };
        Ok(Output { policy_version })
    }
}

/// ListPolicyVersions: newest first.
pub struct ListPolicyVersions {
    policy: ManagedRef,
    page: Page,
}

/// What is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListInput {
    policy_arn: Option<String>,
    #[serde(flatten)]
    page: PageInput,
}

/// A page of versions, without documents.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListOutput {
    versions: Vec<Version>,
    #[serde(flatten)]
    page: PageOutput,
}

impl IamOperation for ListPolicyVersions {
    const ACTION: Action = Action::IamListPolicyVersions;
    const ACCESS: Access = Access::Reads;
    type Input = ListInput;
    type Output = ListOutput;

    fn check(call: &Call<'_>, input: ListInput) -> Result<Self, IamError> {
        Ok(Self { policy: ManagedRef::new(call, "policyArn", input.policy_arn)?, page: input.page.check()? })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.policy.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<ListOutput, IamError> {
        let policy = match self.policy.require(tx)? {
            Managed::Customer(policy) => policy,
            Managed::Aws(policy) => {
                let versions = vec![Version::aws_managed(policy, None)];
                return Ok(ListOutput { versions, page: PageOutput::default() });
            }
        };
        let versions = policies::list_versions(tx, &policy.arn)?;
        let newest_first = |version: i64| format!("{:020}", i64::MAX - version);
        let (versions, page) = self.page.cut(versions, |version| newest_first(version.version));
        Ok(ListOutput { versions: versions.iter().map(|version| Version::listed(&policy, version)).collect(), page })
    }
}

/// SetDefaultPolicyVersion: which version is in force.
pub struct SetDefaultPolicyVersion {
    version: VersionRef,
    now_ms: i64,
}

impl IamOperation for SetDefaultPolicyVersion {
    const ACTION: Action = Action::IamSetDefaultPolicyVersion;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        Ok(Self { version: VersionRef::new(call, input)?, now_ms: call.app.now_ms() })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.version.policy.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut policy = self.version.policy.require_own(tx)?;
        let found = policies::find_version(tx, &policy.arn, self.version.version)?;
        let found = found.ok_or_else(|| self.version.not_found())?;
        policy.default_version = found.version;
        policy.updated_at_ms = self.now_ms;
        Ok(policies::update(tx, &policy)?)
    }
}

/// DeletePolicyVersion: any but the one in force.
pub struct DeletePolicyVersion(VersionRef);

impl IamOperation for DeletePolicyVersion {
    const ACTION: Action = Action::IamDeletePolicyVersion;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        VersionRef::new(call, input).map(Self)
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.0.policy.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let policy = self.0.policy.require_own(tx)?;
        if policy.default_version == self.0.version {
            return Err(IamError::DeleteConflict(Dependent::DefaultVersion));
        }
        if policies::delete_version(tx, &policy.arn, self.0.version)? { Ok(()) } else { Err(self.0.not_found()) }
    }
}
