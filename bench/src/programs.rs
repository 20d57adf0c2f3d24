//! The programs that are measured: which there are, and where to find them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// A server program: `wharf`, `wharf-with-policies` or `docker-registry`, then optionally `:` and the path of the
/// program to run; or the bench's own bare hyper.
#[derive(Clone)]
pub struct Program {
    pub kind: Kind,
    pub path: PathBuf,
    /// What the table calls it.
    pub label: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Wharf,
    /// Wharf with 1,000 policies, asked by a user instead of the root user.
    WharfWithPolicies,
    DockerRegistry,
    /// A fixed answer for everything: no registry, only the limit of one.
    BareHyper,
}

impl Kind {
    pub fn is_wharf(self) -> bool {
        matches!(self, Kind::Wharf | Kind::WharfWithPolicies)
    }
}

impl Program {
    /// Reads the name of a server; Wharf without a path is `wharf`, which the bench's caller has built.
    pub fn parse(text: &str, wharf: Option<&Path>) -> Result<Self> {
        let (name, path) = match text.split_once(':') {
            Some((name, path)) => (name, Some(PathBuf::from(path))),
            None => (text, None),
        };
        let kind = match name {
            "wharf" => Kind::Wharf,
            "wharf-with-policies" => Kind::WharfWithPolicies,
            "docker-registry" => Kind::DockerRegistry,
            _ => bail!(
                "unknown server {name:?}: say wharf, wharf-with-policies or docker-registry, or one of them with :PATH"
            ),
        };
        let path = match (path, wharf) {
            (Some(path), _) => path,
            (None, _) if kind == Kind::DockerRegistry => PathBuf::from("docker-registry"),
            (None, Some(wharf)) => wharf.to_owned(),
            (None, None) => this_program()?.with_file_name("wharf"),
        };
        Ok(Self { kind, path, label: text.to_owned() })
    }

    /// The bench's own.
    pub fn bare_hyper() -> Result<Self> {
        Ok(Self { kind: Kind::BareHyper, path: this_program()?, label: "bare hyper".to_owned() })
    }

    /// The version that the program itself tells, which also shows that it can be run.
    pub fn version(&self) -> Result<String> {
        let output = Command::new(&self.path).arg("--version").output().with_context(|| {
            let hint = if self.kind == Kind::DockerRegistry { " (on Debian: apt install docker-registry)" } else { "" };
            format!("cannot run {}{hint}", self.path.display())
        })?;
        ensure!(output.status.success(), "{} --version: {}", self.path.display(), output.status);
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn this_program() -> Result<PathBuf> {
    std::env::current_exe().context("where this program is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_with_or_without_a_path() {
        let built = Path::new("/built/wharf");
        let rows = [
            ("wharf", None, Kind::Wharf, this_program().unwrap().with_file_name("wharf")),
            ("wharf", Some(built), Kind::Wharf, built.to_owned()),
            ("wharf-with-policies", Some(built), Kind::WharfWithPolicies, built.to_owned()),
            ("wharf:/opt/wharf-old", Some(built), Kind::Wharf, PathBuf::from("/opt/wharf-old")),
            ("docker-registry", Some(built), Kind::DockerRegistry, PathBuf::from("docker-registry")),
        ];
        for (text, wharf, kind, path) in rows {
            let program = Program::parse(text, wharf).unwrap();
            assert_eq!((program.kind, program.path), (kind, path), "{text}");
        }
        assert!(Program::parse("nginx", None).is_err());
    }
}
