//! Which crates reach clock, tasks, network, disk and randomness through `runtime` and `store` alone: each in which clippy.toml's
//! bans are on.

use tree::files;

/// What turns the bans on, in the `lib.rs` of a crate.
const BANS: &str = "\n#![cfg_attr(not(test), deny(clippy::disallowed_methods))]\n";
/// The crates whose business it is themselves: the two that the others go through, what has a client, a file system or a
/// process of its own, the command line, and what tests alone use.
const EXEMPT: [&str; 8] = ["aws-client", "ctl", "mutate", "page-checksums", "runtime", "scan-worker", "store", "tree"];

/// What is wrong with the `lib.rs` of a crate, if anything.
fn fault(name: &str, code: &str) -> Option<String> {
    match (EXEMPT.contains(&name), code.contains(BANS)) {
        (false, false) => {
            Some(format!("crates/{name}/src/lib.rs lacks the line that turns clippy.toml's bans on: {BANS}"))
        }
        (true, true) => Some(format!("crates/{name} keeps to the bans: take it off the list of those that need not")),
        _ => None,
    }
}

#[test]
fn each_crate_keeps_to_the_seams() {
    let roots = files("crates", &["lib.rs"]).into_iter().filter(|file| file.path.components().count() == 4);
    let roots: Vec<_> =
        roots.filter_map(|file| Some((file.path.iter().nth(1)?.to_str()?.to_owned(), file.text))).collect();
    assert!(roots.len() > 15, "{} crates: where are they?", roots.len());
    let faults: Vec<_> = roots.iter().filter_map(|(name, code)| fault(name, code)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for name in EXEMPT {
        assert!(roots.iter().any(|(root, _)| root == name), "there is no crate {name}");
    }
}

#[test]
fn what_keeps_to_the_seams() {
    let with = format!("//! A crate.\n{BANS}\nmod room;\n");
    for (name, code, is_good) in [
        ("registry", &*with, true),
        ("registry", "//! A crate.\n\nmod room;\n", false),
        ("registry", "// #![cfg_attr(not(test), deny(clippy::disallowed_methods))]\n", false),
        ("store", "//! A crate.\n\nmod room;\n", true),
        ("store", &*with, false),
    ] {
        assert_eq!(fault(name, code).is_none(), is_good, "{name}: {code}");
    }
}

#[test]
fn each_ban_has_a_reason() {
    let settings = files("", &["clippy.toml"]);
    let settings: Vec<_> = settings.iter().filter(|file| file.path.ends_with("clippy.toml")).collect();
    // One file holds for all crates: another one below would replace it for its crate.
    let [settings] = settings[..] else { panic!("one clippy.toml: {settings:?}") };
    let (bans, without): (Vec<_>, Vec<_>) = settings
        .lines()
        .filter(|(_, line)| line.contains("path = "))
        .partition(|(_, line)| line.contains("\", reason = \""));
    assert!(bans.len() > 50, "{} bans: where are they?", bans.len());
    assert!(without.is_empty(), "no reason: {without:?}");
}
