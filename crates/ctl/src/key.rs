//! `wharf key`.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::access_key::{self, AccessKey};
use crate::error::Error;
use crate::output::{field, fields};
use crate::xml::Element;
use crate::{Session, date, dry_run, user};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an access key of a user. Its secret is shown this once.
    Create {
        /// The user.
        #[arg(long, value_name = "NAME")]
        user: String,
    },
    /// List the access keys of a user, or of all users.
    List {
        /// The user.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Stop an access key from working, until it is activated.
    Deactivate(KeyArgs),
    /// Let an access key work again.
    Activate(KeyArgs),
    /// Delete an access key.
    Delete {
        #[command(flatten)]
        key: KeyArgs,
        /// Check and show what would go, without doing it.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct KeyArgs {
    /// The access key's id.
    id: String,
    /// Whose key it is.
    #[arg(long, value_name = "NAME")]
    user: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewKey {
    #[serde(flatten)]
    key: AccessKey,
    secret_access_key: String,
}

async fn set_status(session: &mut Session<'_>, key: &KeyArgs, status: &str, done: &str) -> Result<(), Error> {
    let given = [("UserName", key.user.as_str()), ("AccessKeyId", key.id.as_str()), ("Status", status)];
    session.client.iam("UpdateAccessKey", &given).await?;
    let answer = json!({ "accessKeyId": key.id, "userName": key.user, "status": status });
    session.output.show(&answer, |_| format!("{done} access key {} of user {}", key.id, key.user))
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        match self {
            Self::Create { user } => {
                let read = |element: &Element| {
                    Ok(NewKey {
                        key: AccessKey::read(element)?,
                        secret_access_key: element.require("SecretAccessKey")?,
                    })
                };
                let made = client.iam_get("CreateAccessKey", &[("UserName", &user)], "AccessKey", read).await?;
                output.show(&made, |made| {
                    let shown = fields(&[
                        field("User", &made.key.user_name),
                        field("Access key id", &made.key.access_key_id),
                        field("Secret access key", &made.secret_access_key),
                    ]);
                    format!("{shown}\n\nThe secret is shown this once: keep it now.")
                })
            }
            Self::List { user } => {
                let mut keys = Vec::new();
                match &user {
                    Some(user) => keys = access_key::of_user(client, user).await?,
                    None => {
                        for user in user::list(client).await? {
                            keys.extend(access_key::of_user(client, user.name()).await?);
                        }
                    }
                }
                let columns = ["ACCESS KEY ID", "USER", "STATUS", "CREATED"];
                output.list(&keys, "There are no access keys.", &columns, |key| {
                    let created = date::of_iso8601(&key.create_date);
                    vec![key.access_key_id.clone(), key.user_name.clone(), key.status.to_lowercase(), created]
                })
            }
            Self::Deactivate(key) => set_status(session, &key, "Inactive", "Deactivated").await,
            Self::Activate(key) => set_status(session, &key, "Active", "Activated").await,
            Self::Delete { key: KeyArgs { id, user }, dry_run: true } => {
                if !access_key::of_user(client, &user).await?.iter().any(|key| key.access_key_id == id) {
                    return Err(Error::Usage(format!("user {user} has no access key {id}")));
                }
                dry_run::render_alone(output, &format!("access key {id} of user {user}"))
            }
            Self::Delete { key, dry_run: false } => {
                access_key::delete(client, &key.user, &key.id).await?;
                let answer = json!({ "accessKeyId": key.id, "userName": key.user });
                output.show(&answer, |_| format!("Deleted access key {} of user {}", key.id, key.user))
            }
        }
    }
}
