//! `wharf token`.

use clap::{Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Session;
use crate::date;
use crate::dry_run;
use crate::duration::Duration;
use crate::error::Error;
use crate::output::{Field, field, fields};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token. Its password is shown this once.
    Create {
        /// Repository that it works for; * stands for any text. May be given several times.
        #[arg(long = "repository", value_name = "PATTERN", required = true, value_parser = repository_pattern)]
        repositories: Vec<String>,
        /// What it may do.
        #[arg(long, value_enum, value_delimiter = ',', required = true)]
        actions: Vec<Action>,
        /// How long it works, such as 90d or 12h.
        #[arg(long, value_name = "DURATION")]
        expires: Duration,
        /// Name, by which it is listed and revoked [default: made by the server].
        #[arg(long)]
        name: Option<String>,
    },
    /// List the tokens.
    List,
    /// End a token at once.
    Revoke {
        /// Name.
        name: String,
        /// Check and show what would go, without doing it.
        #[arg(long)]
        dry_run: bool,
    },
}

/// The server judges patterns; only what people overlook is told here.
fn repository_pattern(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_uppercase) {
        let lower = text.to_lowercase();
        return Err(format!("names of repositories have no upper case: write {lower}"));
    }
    Ok(text.to_owned())
}

/// What a token may do.
#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Pull,
    Push,
    Delete,
}

/// A token as the server tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenAnswer {
    name: String,
    repositories: Vec<String>,
    actions: Vec<String>,
    created_at: f64,
    expires_at: f64,
    last_used_at: Option<f64>,
    principal_arn: String,
    registry_id: String,
}

/// A token with its dates as scripts read them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    name: String,
    repositories: Vec<String>,
    actions: Vec<String>,
    created_at: String,
    expires_at: String,
    last_used_at: Option<String>,
    principal_arn: String,
    registry_id: String,
}

impl From<TokenAnswer> for Token {
    fn from(answer: TokenAnswer) -> Self {
        Self {
            name: answer.name,
            repositories: answer.repositories,
            actions: answer.actions,
            created_at: date::iso8601(answer.created_at),
            expires_at: date::iso8601(answer.expires_at),
            last_used_at: answer.last_used_at.map(date::iso8601),
            principal_arn: answer.principal_arn,
            registry_id: answer.registry_id,
        }
    }
}

impl Token {
    fn fields(&self) -> Vec<Field> {
        vec![
            field("Token", &self.name),
            ("Repositories", self.repositories.clone()),
            field("Actions", self.actions.join(", ")),
            field("Expires", date::of_iso8601(&self.expires_at)),
            field("Acts as", &self.principal_arn),
        ]
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateAnswer {
    token: TokenAnswer,
    password: String,
    proxy_endpoint: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NewToken {
    token: Token,
    password: String,
    proxy_endpoint: String,
    login_command: String,
}

#[derive(Deserialize)]
struct ListAnswer {
    tokens: Vec<TokenAnswer>,
}

/// The text as one word of a shell.
fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.,:/+=@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn login_command(password: &str, proxy_endpoint: &str) -> String {
    let host = proxy_endpoint.split_once("://").map_or(proxy_endpoint, |(_, host)| host).trim_end_matches('/');
    format!("echo {} | docker login --username AWS --password-stdin {}", shell_word(password), shell_word(host))
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        match self {
            Self::Create { repositories, actions, expires, name } => {
                let mut input = json!({
                    "repositories": repositories,
                    "actions": actions,
                    "expiresInSeconds": expires.seconds(),
                });
                if let Some(name) = name {
                    input["name"] = name.into();
                }
                let answer: CreateAnswer = client.wharf("CreateToken", &input).await?;
                let made = NewToken {
                    login_command: login_command(&answer.password, &answer.proxy_endpoint),
                    token: answer.token.into(),
                    password: answer.password,
                    proxy_endpoint: answer.proxy_endpoint,
                };
                output.show(&made, |made| {
                    let mut shown = made.token.fields();
                    shown.push(field("Password", &made.password));
                    format!(
                        "{}\n\nThe password is shown this once: keep it now. To log in:\n  {}",
                        fields(&shown),
                        made.login_command
                    )
                })
            }
            Self::List => {
                let answer: ListAnswer = client.wharf("ListTokens", &json!({})).await?;
                let tokens: Vec<Token> = answer.tokens.into_iter().map(Token::from).collect();
                let columns = ["NAME", "REPOSITORIES", "ACTIONS", "EXPIRES", "LAST USED", "ACTS AS"];
                output.list(&tokens, "There are no tokens.", &columns, |token| {
                    vec![
                        token.name.clone(),
                        token.repositories.join(", "),
                        token.actions.join(", "),
                        date::of_iso8601(&token.expires_at),
                        token.last_used_at.as_deref().map_or_else(|| "never".to_owned(), date::of_iso8601),
                        token.principal_arn.clone(),
                    ]
                })
            }
            Self::Revoke { name, dry_run: true } => {
                let answer: ListAnswer = client.wharf("ListTokens", &json!({})).await?;
                if !answer.tokens.iter().any(|token| token.name == name) {
                    return Err(Error::Usage(format!("the registry has no token {name}")));
                }
                dry_run::render_alone(output, &format!("token {name}"))
            }
            Self::Revoke { name, dry_run: false } => {
                let _: serde_json::Value = client.wharf("RevokeToken", &json!({ "name": name })).await?;
                output.show(&json!({ "name": name }), |_| format!("Revoked token {name}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login() {
        let plain = "echo abc+/= | docker login --username AWS --password-stdin localhost:5000";
        assert_eq!(login_command("abc+/=", "http://localhost:5000/"), plain);
        assert_eq!(
            login_command("a'b c", "registry.example"),
            r"echo 'a'\''b c' | docker login --username AWS --password-stdin registry.example"
        );
    }
}
