//! `wharf protect` and `wharf unprotect`.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Error;
use crate::target::{Part, Target};
use crate::{Session, date};

#[derive(Args, Debug)]
pub struct ProtectArgs {
    /// What: REPO, REPO:TAG (with * for any text, for images that get such a tag later, too), or REPO@DIGEST.
    #[arg(required_unless_present = "list")]
    target: Option<Target>,
    /// List what is protected, of REPO or of all repositories.
    #[arg(long)]
    list: bool,
}

#[derive(Args, Debug)]
pub struct UnprotectArgs {
    /// What, exactly as it was protected.
    target: Target,
    /// Check and show what would no longer be protected, without doing it.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProtectionAnswer {
    repository_name: String,
    image_tag_pattern: Option<String>,
    image_digest: Option<String>,
    created_at: Option<f64>,
    created_by: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Protection {
    /// As it is given to `wharf unprotect`.
    target: String,
    repository_name: String,
    image_tag_pattern: Option<String>,
    image_digest: Option<String>,
    created_at: Option<String>,
    created_by: Option<String>,
}

impl From<ProtectionAnswer> for Protection {
    fn from(answer: ProtectionAnswer) -> Self {
        let part = match (&answer.image_tag_pattern, &answer.image_digest) {
            (Some(pattern), _) => Part::Tag(pattern.clone()),
            (None, Some(digest)) => Part::Digest(digest.clone()),
            (None, None) => Part::All,
        };
        Self {
            target: Target { repository: answer.repository_name.clone(), part }.to_string(),
            repository_name: answer.repository_name,
            image_tag_pattern: answer.image_tag_pattern,
            image_digest: answer.image_digest,
            created_at: answer.created_at.map(date::iso8601),
            created_by: answer.created_by,
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    protection: ProtectionAnswer,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListAnswer {
    protections: Vec<ProtectionAnswer>,
    next_token: Option<String>,
}

fn input(target: &Target) -> Value {
    let mut input = json!({ "repositoryName": target.repository });
    match &target.part {
        Part::All => {}
        Part::Tag(pattern) => input["imageTagPattern"] = pattern.as_str().into(),
        Part::Digest(digest) => input["imageDigest"] = digest.as_str().into(),
    }
    input
}

async fn list(session: &Session<'_>, repository: Option<&str>) -> Result<Vec<Protection>, Error> {
    let mut input = json!({ "maxResults": 1000 });
    if let Some(repository) = repository {
        input["repositoryName"] = repository.into();
    }
    let mut found = Vec::new();
    loop {
        let answer: ListAnswer = session.client.wharf("ListDeletionProtections", &input).await?;
        let is_empty = answer.protections.is_empty();
        found.extend(answer.protections.into_iter().map(Protection::from));
        match answer.next_token {
            Some(token) if !is_empty => input["nextToken"] = token.into(),
            _ => return Ok(found),
        }
    }
}

impl ProtectArgs {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        match self.target {
            Some(target) if !self.list => {
                let answer: Answer = session.client.wharf("PutDeletionProtection", &input(&target)).await?;
                let protection = Protection::from(answer.protection);
                session.output.show(&protection, |protection| format!("Protected {} from deletion", protection.target))
            }
            Some(target) if target.part != Part::All => {
                Err(Error::Usage(format!("--list goes with a repository, not with {target}")))
            }
            target => {
                let found = list(session, target.as_ref().map(|target| target.repository.as_str())).await?;
                let columns = ["PROTECTED", "SINCE", "BY"];
                session.output.list(&found, "Nothing is protected from deletion.", &columns, |protection| {
                    let since = protection.created_at.as_deref().map(date::of_iso8601).unwrap_or_default();
                    vec![protection.target.clone(), since, protection.created_by.clone().unwrap_or_default()]
                })
            }
        }
    }
}

impl UnprotectArgs {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let target = &self.target;
        if self.dry_run {
            let found = list(session, Some(&target.repository)).await?;
            let name = target.to_string();
            let Some(protection) = found.into_iter().find(|protection| protection.target == name) else {
                return Err(Error::Usage(format!("'{name}' is not protected from deletion")));
            };
            return session.output.show(&json!({ "dryRun": true, "wouldUnprotect": protection }), |_| {
                format!("Would end the protection of {name}\nNothing was changed.")
            });
        }
        let answer: Answer = session.client.wharf("DeleteDeletionProtection", &input(target)).await?;
        let protection = Protection::from(answer.protection);
        session.output.show(&protection, |protection| format!("{} can be deleted again", protection.target))
    }
}
