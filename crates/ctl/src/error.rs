//! What can go wrong with a command, told so that a person knows what to do.

use std::path::PathBuf;

use crate::given::{OF_SOURCE_REGION, SOURCE_ENDPOINT};

/// A command did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked for makes no sense, or something that it needs is missing.
    #[error("{0}")]
    Usage(String),
    /// A file that the command names.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// No answer came.
    #[error("{url} cannot be reached: {cause}")]
    Unreachable {
        /// What was called.
        url: String,
        /// Why there is no answer.
        cause: String,
        /// What may help.
        hint: String,
    },
    /// The server refused.
    #[error("{message} ({code}{})", request.as_ref().map(|id| format!(", request {id}")).unwrap_or_default())]
    Refused {
        /// The operation that was called.
        operation: String,
        /// The error's name, as AWS spells it.
        code: String,
        /// The server's words.
        message: String,
        /// By which the server's log knows the request.
        request: Option<String>,
        /// Whose credentials the request was signed with.
        credentials: String,
    },
    /// The answer is none of Wharf's.
    #[error("{url} did not answer {operation} as Wharf does: {cause}")]
    Unreadable {
        /// What was called.
        url: String,
        /// The operation that was called.
        operation: String,
        /// What is wrong with the answer.
        cause: String,
        /// What gave the URL.
        by: String,
    },
    /// What was asked for is neither so nor not so, as far as is known.
    #[error("{0}")]
    Unknown(String),
    /// What the command prints cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

impl Error {
    /// The name of the server's refusal.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Usage(_)
            | Self::File { .. }
            | Self::Unreachable { .. }
            | Self::Unreadable { .. }
            | Self::Unknown(_)
            | Self::Output(_) => None,
        }
    }

    /// Whether the reader of what is printed has gone, as `head` does.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { hint, .. } => Some(hint.clone()),
            Self::Unreadable { url, by, .. } => Some(match by.as_str() {
                "--endpoint" | "default" => format!("is {url} a Wharf server?"),
                SOURCE_ENDPOINT | OF_SOURCE_REGION => format!("does {url}, which is from {by}, speak the API of ECR?"),
                by => format!("is {url}, which is from {by}, a Wharf server?"),
            }),
            Self::Refused { code, operation, credentials, .. } => refusal_hint(code, operation, credentials),
            Self::Usage(_) | Self::File { .. } | Self::Unknown(_) | Self::Output(_) => None,
        }
    }
}

fn refusal_hint(code: &str, operation: &str, credentials: &str) -> Option<String> {
    match code {
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "ExpiredToken"
        | "ExpiredTokenException" => Some(format!("the credentials are those of {credentials}")),
        "AccessDenied" | "AccessDeniedException" => Some(format!(
            "the credentials are those of {credentials}; `wharf access explain` shows what decides about an action"
        )),
        "DeleteConflict" => match operation {
            "DeleteUser" => Some("--force removes its keys, policies and groups first".to_owned()),
            "DeleteRole" => Some("--force removes its policies first".to_owned()),
            "DeleteGroup" => Some("--force removes its members and policies first".to_owned()),
            "DeletePolicy" => Some("--force detaches it everywhere and removes its old versions first".to_owned()),
            _ => None,
        },
        "LifecyclePolicyNotFoundException" => {
            Some("`aws ecr put-lifecycle-policy` gives a repository one; docs/lifecycle.md says how".to_owned())
        }
        "ScanNotFoundException" => {
            Some(
                "`wharf scan` has an image scanned; docs/scanning.md says when else it is, and that each type of scanning has \
                 findings of its own"
                    .to_owned(),
            )
        }
        "InvalidAction" | "UnknownOperationException" => {
            Some(format!("this server knows no {operation}: is it as new as this program (`wharf --version`)?"))
        }
        _ => None,
    }
}
