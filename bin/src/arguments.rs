//! The arguments of the program. Whoever leaves out what a command needs is told how to find it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory as _, FromArgMatches as _};

use crate::Cli;

/// What clap itself ends with.
const USAGE: u8 = 2;
/// Options that stand in for naming something.
const WAYS: [&str; 2] = ["list", "all"];

/// Commands that work on this machine alone.
const LOCAL: [&str; 8] = ["serve", "credentials", "config", "backup", "restore", "migrate", "dump", "operations"];
/// How those end.
const LOCAL_CODES: &str = "Exit code: 0, 1 after an error, 2 if the arguments are wrong";
/// How those end that call a server.
const SERVER_CODES: &str = "Exit code: 0, 1 if the answer to what was asked is no, 2 after an error";

/// The program's commands, each with its exit codes in its help.
pub fn program() -> Command {
    let mut program = Cli::command();
    let names: Vec<String> = program.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        let codes = if LOCAL.contains(&name.as_str()) { LOCAL_CODES } else { SERVER_CODES };
        program = program.mut_subcommand(name, |command| with_codes(command, codes));
    }
    program
}

fn with_codes(mut command: Command, codes: &'static str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    if names.is_empty() {
        return command.after_help(codes);
    }
    // Some do something themselves as well.
    if !command.is_subcommand_required_set() {
        command = command.after_help(codes);
    }
    for name in names {
        command = command.mut_subcommand(name, |command| with_codes(command, codes));
    }
    command
}

/// Reads the arguments; the exit code if they cannot be read, or are answered already, as `--help` is.
pub fn parse() -> Result<Cli, ExitCode> {
    let read = program().try_get_matches().and_then(|found| Cli::from_arg_matches(&found));
    read.map_err(|error| {
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
    // There --all goes with a repository.
    let options = command.get_arguments().filter(|_| noun.get_name() != "image");
    for way in options.filter(|argument| argument.get_long().is_some_and(|long| WAYS.contains(&long))) {
        let help = way.get_help().map(ToString::to_string).unwrap_or_default();
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
        ["protect" | "repository" | "scan" | "findings" | "packages", ..] => {
            return Some("`aws ecr describe-repositories` lists the repositories".to_owned());
        }
        ["image", ..] => return Some("`wharf image list-deleted` shows what can be restored".to_owned()),
        ["key", ..] => {
            return Some("`wharf user list` shows the users, `wharf key list --user NAME` their keys".to_owned());
        }
        ["unprotect"] => return Some("`wharf protect --list` lists what is protected".to_owned()),
        ["advisories", ..] => return Some("`wharf advisories sources` lists the feeds".to_owned()),
        ["access", ..] => return Some("`wharf user list` and `wharf role list` show who there is".to_owned()),
        _ => {}
    }
    let list =
        noun.find_subcommand("list").filter(|_| path.len() > 2 && !["list", "create"].contains(&command.get_name()))?;
    let needs_nothing = list.get_arguments().all(|argument| !argument.is_required_set());
    let above: Vec<&str> = path[1..path.len() - 1].iter().map(|command| command.get_name()).collect();
    needs_nothing.then(|| format!("`wharf {} list` shows what there is", above.join(" ")))
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
    fn every_command_tells_how_it_ends() {
        for (path, codes) in
            [(&["user", "list"][..], SERVER_CODES), (&["fsck"], SERVER_CODES), (&["config", "check"], LOCAL_CODES)]
        {
            let mut command = program();
            for name in path {
                command = command.find_subcommand(name).expect("a command").clone();
            }
            assert!(command.render_help().to_string().contains(codes), "{path:?}");
        }
    }

    #[test]
    fn whoever_names_nothing_is_told_how_to_find_it() {
        let told = |line: &str| tip(&Cli::command(), line.split(' ').map(str::to_owned)).unwrap_or_default();
        for (line, parts) in [
            ("jobs retry", &["--all (all jobs", "`wharf jobs list`"][..]),
            ("protect", &["--list (list what is protected"]),
            ("unprotect", &["`wharf protect --list`"]),
            ("lifecycle run", &["--all (all repositories", "`wharf lifecycle status`"]),
            ("user show", &["tip: `wharf user list` shows"]),
            ("image restore", &["tip: `wharf image list-deleted` shows"]),
            ("key create", &["`wharf user list` shows"]),
            ("group delete --force", &["`wharf group list`"]),
            ("access explain", &["`wharf user list`"]),
            ("advisories import debian", &["`wharf advisories sources` lists"]),
        ] {
            let told = told(line);
            assert!(parts.iter().all(|part| told.contains(part)), "{line}: {told}");
        }
        assert_eq!(told("user create"), "");
        assert_eq!(told("backup"), "");
    }
}
