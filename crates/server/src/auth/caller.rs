//! The principal behind a request.

use aws::{AccountId, Arn, Region};

/// An authenticated principal and the region that it calls.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account that the principal belongs to.
    pub account: AccountId,
    /// The region of the request: of the signature's scope, or of the registry token.
    pub region: Region,
    /// The access key that signed, or that the token was made with.
    pub access_key_id: String,
}

impl Caller {
    /// The principal's ARN. Until users and roles exist, every principal is the root user of its account.
    pub fn arn(&self) -> Arn {
        Arn::new(self.region.partition(), "iam", "", self.account.as_str(), "root")
    }

    /// The principal's unique id (STS: `UserId`); of the root user it is the account's id.
    pub fn user_id(&self) -> &str {
        self.account.as_str()
    }
}
