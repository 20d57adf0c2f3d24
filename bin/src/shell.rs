//! What is printed for people to paste into a shell, and how it is printed.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The text as one word of a POSIX shell.
pub fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@%".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The path as one word of a POSIX shell.
pub fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

/// How this program is called: by its name if that leads here, else by its path.
pub fn this_program() -> String {
    let Ok(here) = std::env::current_exe() else { return "wharf".to_owned() };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let first: Option<PathBuf> =
        std::env::split_paths(&path).map(|folder| folder.join("wharf")).find(|file| file.is_file());
    let leads_here = first
        .and_then(|file| file.canonicalize().ok())
        .is_some_and(|file| here.canonicalize().is_ok_and(|here| here == file));
    if leads_here { "wharf".to_owned() } else { quoted_path(&here) }
}

/// Prints to standard output; that nobody reads it any more is no failure.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("cannot write to standard output"),
        _ => Ok(()),
    }
}

/// Tells on standard error what went wrong, and each of its causes that says more.
pub fn complain(error: &anyhow::Error) {
    let mut text = format!("error: {error}\n");
    let mut before = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Some errors say their cause themselves.
        if !before.contains(&cause) {
            let _ = writeln!(text, "  caused by: {cause}");
        }
        before = cause;
    }
    // Without standard error there is nobody to tell.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole() {
        for (text, expected) in
            [("/a/b-c", "/a/b-c"), ("/a b", "'/a b'"), ("it's", "'it'\\''s'"), ("", "''"), ("$x", "'$x'")]
        {
            assert_eq!(quoted(text), expected);
        }
    }
}
