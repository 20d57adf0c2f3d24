//! `--dry-run` of the commands that delete: what would go, or what stands in the way, without doing anything.

use serde::Serialize;

use crate::error::Error;
use crate::output::Output;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DryRun {
    dry_run: bool,
    would_delete: Vec<String>,
}

/// What hangs on a thing, and goes with it only if the command may take it along.
pub(crate) struct Parts {
    /// Each with what it is, such as `access key AKIA…`.
    pub(crate) named: Vec<String>,
    /// Whether `--force` was given.
    pub(crate) is_forced: bool,
}

/// Shows that `what`, such as `user ci`, would go with its parts; an error if the server would refuse because of them.
pub(crate) fn render(output: &mut Output<'_>, what: &str, parts: Parts) -> Result<(), Error> {
    let Parts { named, is_forced } = parts;
    if !named.is_empty() && !is_forced {
        let has = named.join(", ");
        return Err(Error::Usage(format!("{what} cannot be deleted while it has {has}: --force removes that first")));
    }
    let would_delete = [what.to_owned()].into_iter().chain(named).collect();
    output.show(&DryRun { dry_run: true, would_delete }, |answer| {
        let lines = answer.would_delete.iter().map(|thing| format!("Would delete {thing}"));
        lines.chain(["Nothing was changed.".to_owned()]).collect::<Vec<_>>().join("\n")
    })
}

/// As [`render`], of what nothing hangs on.
pub(crate) fn render_alone(output: &mut Output<'_>, what: &str) -> Result<(), Error> {
    render(output, what, Parts { named: Vec::new(), is_forced: true })
}
