//! The form that IAM's operations have: each is its own checked input, and reads or changes the tables in one
//! transaction. What every change has to do besides is done here, so that none can forget it.

use std::marker::PhantomData;
use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::Registry;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::db::Tx;
use store::tables::identity_version;

use super::errors::IamError;

/// What an operation does to the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It only reads them.
    Reads,
    /// It changes them; the change is in force on this node before the answer goes out.
    Changes,
}

/// An operation, as its validated input.
pub trait IamOperation: Sized + Send + Sync + 'static {
    /// The IAM action; `iam:` and the operation's name.
    const ACTION: Action;
    /// Whether it changes anything.
    const ACCESS: Access;
    /// The model's input shape.
    type Input: DeserializeOwned + Send;
    /// The model's output shape; `()` where it has none.
    type Output: Serialize + Send + 'static;

    /// Validates, without touching storage. New ids and times come from here: `run` may run twice.
    fn check(call: &Call<'_>, input: Self::Input) -> Result<Self, IamError>;
    /// Every permission that the caller must have.
    fn needs(&self, call: &Call<'_>) -> Vec<Need>;
    /// Does it.
    fn run(&self, app: &Registry, tx: &mut dyn Tx) -> Result<Self::Output, IamError>;
}

/// An [`IamOperation`] as the dispatcher takes it.
pub struct Iam<O>(PhantomData<O>);

impl<O: IamOperation> Operation for Iam<O> {
    const NAME: &'static str = O::ACTION.name();
    const ACTION: Action = O::ACTION;
    const READ_ONLY: bool = matches!(O::ACCESS, Access::Reads);
    type Input = O::Input;
    type Output = O::Output;
    type Checked = O;
    type Error = IamError;

    fn check(call: &Call<'_>, input: O::Input) -> Result<O, IamError> {
        if call.caller.is_federated() {
            return Err(IamError::FederatedUser { arn: call.caller.arn(), action: O::ACTION });
        }
        O::check(call, input)
    }

    fn needs(call: &Call<'_>, checked: &O) -> Vec<Need> {
        checked.needs(call)
    }

    async fn run(call: &Call<'_>, checked: O) -> Result<O::Output, IamError> {
        let app = Arc::clone(call.app);
        match O::ACCESS {
            Access::Reads => call.app.db.read(move |tx| checked.run(&app, tx)).await,
            Access::Changes => {
                let change = move |tx: &mut dyn Tx| {
                    let output = checked.run(&app, tx)?;
                    identity_version::increment(tx)?;
                    Ok::<_, IamError>(output)
                };
                let output = call.app.db.write(change).await?;
                call.app.publish_changes().await?;
                Ok(output)
            }
        }
    }
}
