//! A managed policy that a request names: a customer's of the caller's account, or AWS's.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::aws_managed_policies::{self, AwsManagedPolicy};
use api::protocols::operation::Call;
use aws::AccountId;
use store::db::Tx;
use store::tables::iam::policies::{self, ManagedPolicy};

use super::constraints;
use super::errors::IamError;

/// A managed policy, which need not exist.
pub struct ManagedRef {
    /// Its ARN.
    pub arn: String,
    account: AccountId,
}

/// A managed policy, found.
pub enum Managed {
    /// A customer's.
    Customer(ManagedPolicy),
    /// AWS's.
    Aws(&'static AwsManagedPolicy),
}

impl ManagedRef {
    /// The policy of that ARN.
    pub fn new(call: &Call<'_>, member: &str, arn: Option<String>) -> Result<Self, IamError> {
        let arn = constraints::arn(member, arn)?;
        let is_policy = arn.parse::<aws::Arn>().is_ok_and(|parsed| parsed.resource().starts_with("policy/"));
        if !is_policy {
            return Err(IamError::InvalidInput(format!("ARN {arn} is not valid.")));
        }
        Ok(Self { arn, account: call.caller.account })
    }

    /// A permission on it.
    pub fn need(&self, action: Action) -> Need {
        Need::on(action, self.arn.clone())
    }

    /// The policy, if there is one that the account has.
    pub fn find(&self, tx: &mut dyn Tx) -> Result<Option<Managed>, IamError> {
        if let Some(policy) = aws_managed_policies::find(&self.arn) {
            return Ok(Some(Managed::Aws(policy)));
        }
        let found = policies::find(tx, &self.arn)?.filter(|policy| policy.account == self.account);
        Ok(found.map(Managed::Customer))
    }

    /// The policy, which must exist.
    pub fn require(&self, tx: &mut dyn Tx) -> Result<Managed, IamError> {
        self.find(tx)?.ok_or_else(|| IamError::NoSuchPolicy(self.arn.clone()))
    }

    /// The policy, which must exist and be a customer's, to be changed.
    pub fn require_own(&self, tx: &mut dyn Tx) -> Result<ManagedPolicy, IamError> {
        match self.require(tx)? {
            Managed::Customer(policy) => Ok(policy),
            Managed::Aws(_) => Err(IamError::AwsManaged(self.arn.clone())),
        }
    }

    /// Refuses a policy that is not there to be attached, or that only AWS's own roles have.
    pub fn require_attachable(&self, tx: &mut dyn Tx) -> Result<(), IamError> {
        match self.find(tx)? {
            None => Err(IamError::NothingToAttach(self.arn.clone())),
            Some(Managed::Aws(policy)) if policy.path.starts_with("/aws-service-role/") => {
                Err(IamError::PolicyNotAttachable)
            }
            Some(Managed::Aws(_) | Managed::Customer(_)) => Ok(()),
        }
    }
}
