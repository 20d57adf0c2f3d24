//! What the machine lets the process have of what connections need: open files, and memory.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What connections may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// Files and connections that may be open.
    pub open_files: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

impl Means {
    /// As if there were no end to them.
    pub const UNLIMITED: Self = Self { open_files: u64::MAX, memory_bytes: u64::MAX };

    /// What this process has, after its limit of open files was raised to what it may have at most. Many systems begin
    /// with 1,024, for the sake of programs that use select(2), and let each raise it by itself.
    pub fn raise() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if limit.current != limit.maximum
            && let Err(error) = setrlimit(Resource::Nofile, raised)
        {
            tracing::warn!(%error, "the limit of open files could not be raised: {error}");
        }
        let open_files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Self { open_files, memory_bytes: memory_bytes(Path::new("/")) }
    }
}

/// The machine's memory, or what the control group of the process may have of it; `root` is where its files are.
fn memory_bytes(root: &Path) -> u64 {
    let read = |path: PathBuf| std::fs::read_to_string(path).ok();
    let machine = read(root.join("proc/meminfo")).and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    let groups = read(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().flat_map(|line| {
        // HIERARCHY:CONTROLLERS:PATH; in version 2 there is one hierarchy, and no controllers are named.
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (folder, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        // In a container the path is often that of the machine, and its own files are at the root.
        let path = Path::new(path.trim_start_matches('/'));
        let folders = path.ancestors().map(|part| root.join(folder).join(part).join(file));
        folders.filter_map(|path| read(path)?.trim().parse::<u64>().ok()).collect()
    });
    limits.chain(machine.map(|kib| kib.saturating_mul(1024))).min().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Files<'t> = &'t [(&'t str, &'t str)];

    #[test]
    fn memory_of_a_machine_and_of_groups() {
        let cases: [(&str, Files, u64); 6] = [
            ("", &[], u64::MAX),
            ("", &[("proc/meminfo", "MemFree: 1 kB\nMemTotal:  2048 kB\n")], 2 << 20),
            ("0::/a/b\n", &[("sys/fs/cgroup/a/b/memory.max", "1000\n"), ("sys/fs/cgroup/a/memory.max", "900\n")], 900),
            ("0::/a/b\n", &[("sys/fs/cgroup/a/b/memory.max", "max\n"), ("proc/meminfo", "MemTotal: 1 kB\n")], 1024),
            ("0::/../x\n", &[("sys/fs/cgroup/memory.max", "1000\n")], 1000),
            ("4:cpu,memory:/a\n0::/\n", &[("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "700\n")], 700),
        ];
        for (groups, files, expected) in cases {
            let root = tempfile::tempdir().expect("a folder");
            for (path, text) in files.iter().chain([&("proc/self/cgroup", groups)]) {
                let path = root.path().join(path);
                std::fs::create_dir_all(path.parent().expect("in a folder")).expect("made");
                std::fs::write(path, text).expect("written");
            }
            assert_eq!(memory_bytes(root.path()), expected, "{groups} {files:?}");
        }
    }

    #[test]
    fn this_process_has_some() {
        let means = Means::raise();
        let limit = getrlimit(Resource::Nofile);
        assert!(limit.current == limit.maximum && means.open_files > 0 && means.memory_bytes > 0);
    }
}
