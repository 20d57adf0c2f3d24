//! What the pages show of the command line is there: each command that they name, and each option that they give it.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;

use crate::arguments;

/// The pages below a folder, and the folder's own.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            pages.extend(pages_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages
}

fn pages_below(folder: &Path) -> Vec<PathBuf> {
    // What tools make is no page of ours.
    let is_ours = ["docs", "deploy", "decisions", "reference", "compose", "helm", "wharf"];
    let is_ours = folder.file_name().is_some_and(|name| is_ours.iter().any(|ours| name == *ours));
    if is_ours { pages(folder) } else { Vec::new() }
}

/// What of a page is code, command by command: the lines of its blocks, and what stands between backticks in its text.
fn code(page: &str) -> Vec<String> {
    let (mut code, mut text, mut is_block) = (Vec::new(), String::new(), false);
    for line in page.replace("\\\n", " ").lines() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            code.push(line.to_owned());
        } else if !line.contains("planned: ") {
            // What is planned is not there yet.
            text.push_str(line);
            text.push(' ');
        }
    }
    code.extend(text.split('`').skip(1).step_by(2).map(str::to_owned));
    code
}

/// What is wrong with the commands of this program in a line of code, and how many there are.
fn check(program: &Command, line: &str) -> (Vec<String>, usize) {
    let line = line.replace(['"', '\'', '(', ')', '[', ']'], " ");
    let words: Vec<&str> = line.split_whitespace().collect();
    let (mut problems, mut count) = (Vec::new(), 0);
    for (at, _) in words.iter().enumerate().filter(|(_, word)| **word == "wharf" || word.ends_with("/wharf")) {
        // It may be the name of something else, such as a service.
        if words.get(at + 1).is_none_or(|word| !is_name(word) || *word == "wharf") {
            continue;
        }
        count += 1;
        let mut commands = vec![program];
        let mut path = String::from("wharf");
        let mut rest = words[at + 1..].iter().take_while(|word| !ends(word));
        while let Some(word) = rest.next() {
            let word = word.trim_end_matches([',', ';', ':', '.', '…']);
            if let Some(written) = word.strip_prefix("--") {
                let (name, value) =
                    written.split_once('=').map_or((written, None), |(name, value)| (name, Some(value)));
                if !name.is_empty() && !commands.iter().any(|command| has_option(command, name)) {
                    problems.push(format!("{path} has no --{name}"));
                }
                // Its value is no command, though it may be written as one.
                if value.is_none() && commands.iter().any(|command| takes_value(command, name)) {
                    rest.next();
                }
            } else if commands.iter().all(|command| command.has_subcommands()) && is_name(word) && word != "help" {
                let found = |name: &str| commands.iter().find_map(|command| command.find_subcommand(name));
                // Several that have something in common are written as one.
                let next: Vec<Option<&Command>> = word.split('|').map(found).collect();
                if next.iter().any(Option::is_none) {
                    problems.push(format!("{path} has no {word}"));
                    break;
                }
                commands = next.into_iter().flatten().collect();
                path = format!("{path} {word}");
            }
        }
    }
    (problems, count)
}

/// Whether a word is written as commands are; what somebody chooses is in capitals.
fn is_name(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || b"-|".contains(&byte))
}

/// Whether no more words are the command's: a shell takes none, or another command begins.
fn ends(word: &str) -> bool {
    ["|", "||", "&&", ";", ">", ">>", "<", "#", "--", "2>&1", "wharf"].contains(&word)
}

fn has_option(command: &Command, option: &str) -> bool {
    ["help", "version"].contains(&option) || command.get_arguments().any(|argument| argument.get_long() == Some(option))
}

fn takes_value(command: &Command, option: &str) -> bool {
    let named = command.get_arguments().find(|argument| argument.get_long() == Some(option));
    named.is_some_and(|argument| argument.get_action().takes_values())
}

#[test]
fn what_pages_show_is_there() {
    let mut program = arguments::program();
    program.build();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let (mut problems, mut count) = (Vec::new(), 0);
    for page in pages(root) {
        let text = fs::read_to_string(&page).expect("a page");
        for line in code(&text) {
            let (found, commands) = check(&program, &line);
            problems.extend(found.into_iter().map(|problem| format!("{}: {problem}: {line}", page.display())));
            count += commands;
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(count > 150, "{count} commands: where are they?");
}

#[test]
fn what_is_not_there_is_told() {
    let mut program = arguments::program();
    program.build();
    for (line, expected) in [
        ("wharf user list", None),
        ("wharf user|group list", None),
        ("$ target/release/wharf serve --data-dir=/tmp/x --tls self-signed", None),
        ("docker exec wharf wharf status", None),
        ("wharf backup TO --with-key # and --more", None),
        ("wharf scan my-app:v1 --fail-on high --only-fixed", None),
        ("wharf scan my-app:v1 --only-fixed high", Some("wharf scan has no high")),
        ("wharf scan my-app:v1 --fail-on=high low", Some("wharf scan has no low")),
        ("wharf usr list", Some("wharf has no usr")),
        ("sudo -u wharf wharf user lst NAME", Some("wharf user has no lst")),
        ("\"$(wharf credentials --formt json)\"", Some("wharf credentials has no --formt")),
        ("wharf user|usr list", Some("wharf has no user|usr")),
    ] {
        let (problems, count) = check(&program, line);
        assert_eq!(problems.first().map(String::as_str), expected, "{line}");
        assert_eq!(count, 1, "{line}");
    }
}
