//! `wharf oidc-provider`: who else may say who somebody is, such as GitHub Actions for its jobs.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use crate::error::Error;
use crate::output::{Field, field, fields};
use crate::xml::Element;
use crate::{Session, date};

/// What a token of AWS's own actions and SDKs is made out to.
const AUDIENCE: &str = "sts.amazonaws.com";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Trust an issuer's tokens. What they are good for is up to the trust policies of roles.
    Create {
        /// The issuer's URL, as its tokens name it, such as https://token.actions.githubusercontent.com; of http only one
        /// on this machine.
        url: String,
        /// Whom a token must be made out to. May be given several times.
        #[arg(long, value_name = "TEXT", default_value = AUDIENCE)]
        audience: Vec<String>,
        /// SHA-1 of the certificate by which the issuer's keys are fetched; without one, the system's authorities are trusted.
        #[arg(long, value_name = "HEX")]
        thumbprint: Vec<String>,
    },
    /// List the providers.
    List,
    /// Show a provider.
    Show {
        /// Its URL or ARN.
        provider: String,
    },
    /// Take tokens that are made out to somebody else, too.
    AddAudience {
        /// Its URL or ARN.
        provider: String,
        /// Whom a token may be made out to.
        audience: String,
    },
    /// Take tokens that are made out to somebody no more.
    RemoveAudience {
        /// Its URL or ARN.
        provider: String,
        /// Whom a token was made out to.
        audience: String,
    },
    /// Trust an issuer no more.
    Delete {
        /// Its URL or ARN.
        provider: String,
    },
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    arn: String,
    url: String,
    audiences: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thumbprints: Vec<String>,
    create_date: String,
}

impl Provider {
    fn read(arn: &str, element: &Element) -> Result<Self, String> {
        let texts = |list: &str| element.members(list).map(|member| member.content().to_owned()).collect();
        Ok(Self {
            arn: arn.to_owned(),
            url: format!("https://{}", element.require("Url")?.trim_start_matches("https://")),
            audiences: texts("ClientIDList"),
            thumbprints: texts("ThumbprintList"),
            create_date: element.require("CreateDate")?,
        })
    }

    fn fields(&self) -> Vec<Field> {
        let mut shown =
            vec![field("Provider", &self.url), field("ARN", &self.arn), ("Audiences", self.audiences.clone())];
        if !self.thumbprints.is_empty() {
            shown.push(("Thumbprints", self.thumbprints.clone()));
        }
        shown.push(field("Created", date::of_iso8601(&self.create_date)));
        shown
    }
}

#[derive(Serialize)]
struct Listed {
    arn: String,
}

/// The fields of a list of a Query request.
fn numbered(list: &str, values: &[String]) -> Vec<(String, String)> {
    values.iter().zip(1..).map(|(value, number)| (format!("{list}.member.{number}"), value.clone())).collect()
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        match self {
            Self::Create { url, audience, thumbprint } => {
                let is_https = url.to_ascii_lowercase().starts_with("https://");
                let mut given = vec![("Url".to_owned(), url)];
                given.extend(numbered("ClientIDList", &audience));
                given.extend(numbered("ThumbprintList", &thumbprint));
                let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let result = client.iam("CreateOpenIDConnectProvider", &given).await;
                let result = result.map_err(|error| match error.code() {
                    Some("ValidationError") if !is_https => Error::Usage(format!(
                        "{error}; an issuer must be one of https://, as its tokens are trusted because of the keys that \
                         are fetched there (http:// is taken of one on this machine)"
                    )),
                    _ => error,
                })?;
                let listed = Listed { arn: result.text("OpenIDConnectProviderArn").unwrap_or_default().to_owned() };
                output.show(&listed, |listed| format!("Created {}", listed.arn))
            }
            Self::List => {
                let read = |member: &Element| Ok(Listed { arn: member.require("Arn")? });
                let found =
                    client.iam_list("ListOpenIDConnectProviders", &[], "OpenIDConnectProviderList", read).await?;
                output.list(&found, "There are no OpenID Connect providers.", &["URL", "ARN"], |listed| {
                    vec![format!("https://{}", name(&listed.arn)), listed.arn.clone()]
                })
            }
            Self::Show { provider } => {
                let arn = arn(session, provider).await?;
                let Session { client, output } = session;
                let result = client.iam("GetOpenIDConnectProvider", &[("OpenIDConnectProviderArn", &arn)]).await?;
                let unreadable = |cause| client.missing("GetOpenIDConnectProvider", cause);
                let provider = Provider::read(&arn, &result).map_err(unreadable)?;
                output.show(&provider, |provider| fields(&provider.fields()))
            }
            Self::AddAudience { provider, audience } => {
                let done = format!("Tokens that are made out to {audience} are taken by");
                change(session, "AddClientIDToOpenIDConnectProvider", provider, Some(&audience), &done).await
            }
            Self::RemoveAudience { provider, audience } => {
                let done = format!("Tokens that are made out to {audience} are not taken by");
                change(session, "RemoveClientIDFromOpenIDConnectProvider", provider, Some(&audience), &done).await
            }
            Self::Delete { provider } => {
                change(session, "DeleteOpenIDConnectProvider", provider, None, "Deleted").await
            }
        }
    }
}

/// Calls an operation that changes a provider, and says so.
async fn change(
    session: &mut Session<'_>,
    operation: &str,
    provider: String,
    audience: Option<&str>,
    done: &str,
) -> Result<(), Error> {
    let arn = arn(session, provider).await?;
    let Session { client, output } = session;
    let mut given = vec![("OpenIDConnectProviderArn", arn.as_str())];
    given.extend(audience.map(|audience| ("ClientID", audience)));
    client.iam(operation, &given).await?;
    output.show(&json!({ "arn": arn }), |_| format!("{done} {arn}"))
}

/// The name of a provider in its ARN: its URL without the scheme.
fn name(arn: &str) -> &str {
    arn.split_once("oidc-provider/").map_or(arn, |(_, name)| name)
}

/// The ARN of a provider that is named by it or by its URL.
async fn arn(session: &Session<'_>, provider: String) -> Result<String, Error> {
    if provider.starts_with("arn:") {
        return Ok(provider);
    }
    let host_and_path = provider.trim_start_matches("https://").trim_end_matches('/');
    let read = |member: &Element| member.require("Arn");
    let found = session.client.iam_list("ListOpenIDConnectProviders", &[], "OpenIDConnectProviderList", read).await?;
    found
        .into_iter()
        .find(|arn| name(arn) == host_and_path)
        .ok_or_else(|| Error::Usage(format!("there is no provider {provider}: `wharf oidc-provider list` shows all")))
}
