//! CreateAccessKey: makes a key. This is the only time that its secret is shown.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::directory::SECRET_PURPOSE;
use api::protocols::operation::Call;
use registry::Registry;
use runtime::random_text::{SECRET_ALPHABET, new_access_key_id, random_text};
use serde::{Deserialize, Serialize};
use store::blob::seal_small;
use store::db::Tx;
use store::tables::iam::access_keys;

use super::status;
use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};

/// The most keys of one user.
const MAX_KEYS: usize = 2;

/// Makes an access key of a user, and answers with its secret, which is never shown again.
pub struct CreateAccessKey {
    user: EntityRef,
    id: String,
    secret: aws::SecretAccessKey,
    created_at_ms: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    user_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    access_key: AccessKey,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AccessKey {
    user_name: String,
    access_key_id: String,
    status: &'static str,
    secret_access_key: String,
    create_date: String,
}

impl IamOperation for CreateAccessKey {
    const ACTION: Action = Action::IamCreateAccessKey;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let user = EntityRef::user_or_caller(call, input.user_name)?;
        let secret = aws::SecretAccessKey::new(random_text(SECRET_ALPHABET, 40));
        Ok(Self { user, id: new_access_key_id("AKIA"), secret, created_at_ms: call.app.now_ms() })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.user.need(call, Self::ACTION)]
    }

    fn run(&self, app: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let user = self.user.require(tx)?;
        if access_keys::list_of_user(tx, &user.id)?.len() >= MAX_KEYS {
            return Err(IamError::Quota("AccessKeysPerUser", MAX_KEYS));
        }
        let secret = self.secret.expose();
        let key = access_keys::AccessKey {
            id: self.id.clone(),
            user_id: user.id,
            sealed_secret: seal_small(&app.key_ring, SECRET_PURPOSE, self.id.as_bytes(), secret.as_bytes()),
            is_active: true,
            created_at_ms: self.created_at_ms,
            last_used: None,
        };
        access_keys::insert(tx, &key)?;
        Ok(Output {
            access_key: AccessKey {
                user_name: user.name,
                access_key_id: key.id,
                status: status(true),
                secret_access_key: secret.to_owned(),
                create_date: aws::time::iso8601(key.created_at_ms),
            },
        })
    }
}
