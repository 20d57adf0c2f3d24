//! The arguments of the program. Whoever leaves out what a command needs is told how to find it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory as _, Parser as _};

use crate::Cli;

/// What clap itself ends with.
const USAGE: u8 = 2;
/// Options that stand in for naming something.
const WAYS: [&str; 2] = ["list", "all"];

/// Reads the arguments; the exit code if they cannot be read, or are answered already, as `--help` is.
pub fn parse() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        // Without a terminal there is nobody to tell.
        let _ = error.print();
        if error.kind() == ErrorKind::MissingRequiredArgument
            && let Some(tip) = tip(&Cli::command(), std::env::args().skip(1))
        {
            let _ = writeln!(std::io::stderr(), "\n{tip}");
        }
        ExitCode::from(if error.use_stderr() { USAGE } else { 0 })
    })
}

/// How to find what a command needs.
fn tip(program: &Command, arguments: impl Iterator<Item = String>) -> Option<String> {
    let mut path = vec![program];
    for argument in arguments {
        let found = path.last().and_then(|command| command.find_subcommand(&argument));
        path.extend(found);
    }
    let [.., noun, command] = path[..] else { return None };
    let mut ways = Vec::new();
    for way in command.get_arguments().filter(|argument| argument.get_long().is_some_and(|long| WAYS.contains(&long))) {
        let help = way.get_help().map(|help| help.to_string()).unwrap_or_default();
        let help = help.split_once('.').map_or(help.as_str(), |(first, _)| first);
        ways.push(format!("--{} ({})", way.get_long().unwrap_or_default(), lower(help)));
    }
    let mut text = String::new();
    if !ways.is_empty() {
        // Writing cannot fail: it is a text.
        let _ = write!(text, "or give {}", ways.join(" or "));
    }
    if let Some(list) = lists(&path, noun, command) {
        let _ = write!(text, "{}{list}", if text.is_empty() { "" } else { "; " });
    }
    (!text.is_empty()).then(|| format!("tip: {text}"))
}

/// What lists the things that a command is about.
fn lists(path: &[&Command], noun: &Command, command: &Command) -> Option<String> {
    let names: Vec<&str> = path.iter().skip(1).map(|command| command.get_name()).collect();
    match names[..] {
        ["lifecycle", "run" | "set"] => {
            return Some("`wharf lifecycle status` lists the repositories that have a policy".to_owned());
        }
        ["protect" | "repository", ..] => {
            return Some("`aws ecr describe-repositories` lists the repositories".to_owned());
        }
        ["unprotect"] => return Some("`wharf protect --list` lists what is protected".to_owned()),
        ["access", ..] => return Some("`wharf user list` and `wharf role list` show who there is".to_owned()),
        _ => {}
    }
    let list =
        noun.find_subcommand("list").filter(|_| path.len() > 2 && !["list", "create"].contains(&command.get_name()))?;
    let about = list.get_about().map(|about| about.to_string()).unwrap_or_default();
    let needs = list.get_arguments().filter(|argument| argument.is_required_set()).count();
    (needs == 0).then(|| {
        let above: Vec<&str> = path[1..path.len() - 1].iter().map(|command| command.get_name()).collect();
        format!(
            "`wharf {} list`: {}",
            above.join(" "),
            lower(about.split_once('.').map_or(about.as_str(), |(first, _)| first))
        )
    })
}

/// A sentence as part of another.
fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_nothing_is_told_how_to_find_it() {
        let told = |line: &str| tip(&Cli::command(), line.split(' ').map(str::to_owned)).unwrap_or_default();
        for (line, parts) in [
            ("jobs retry", &["--all (all jobs", "`wharf jobs list`"][..]),
            ("protect", &["--list (list what is protected"]),
            ("unprotect", &["`wharf protect --list`"]),
            ("lifecycle run", &["--all (all repositories", "`wharf lifecycle status`"]),
            ("user show", &["`wharf user list`: list the users"]),
            ("group delete --force", &["`wharf group list`"]),
            ("access explain", &["`wharf user list`"]),
        ] {
            let told = told(line);
            assert!(parts.iter().all(|part| told.contains(part)), "{line}: {told}");
        }
        assert_eq!(told("user create"), "");
        assert_eq!(told("backup"), "");
    }
}
