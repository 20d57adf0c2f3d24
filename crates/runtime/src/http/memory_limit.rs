//! How much memory the process may use, as far as the kernel says: what its control group has, else what the machine has.

use std::path::Path;

/// What is taken where nothing can be read.
const UNKNOWN: u64 = 1024 * 1024 * 1024;

/// The limit in bytes.
pub fn memory_limit() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let machine = total_of(&read("/proc/meminfo")).unwrap_or(UNKNOWN);
    let group = group_files(&read("/proc/self/cgroup"))
        .iter()
        .filter_map(|path| std::fs::read_to_string(Path::new(path)).ok()?.trim().parse::<u64>().ok())
        .min();
    // A group without a limit says `max`, or a number beyond all memory.
    group.map_or(machine, |group| group.min(machine))
}

fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Where the limits of the groups of a process are (cgroups(7)): of itself, and in a container of the root that it sees.
fn group_files(groups: &str) -> Vec<String> {
    let mut files =
        vec!["/sys/fs/cgroup/memory.max".to_owned(), "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned()];
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        if controllers.is_empty() {
            files.push(format!("/sys/fs/cgroup{path}/memory.max"));
        } else if controllers.split(',').any(|name| name == "memory") {
            files.push(format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says() {
        assert_eq!(total_of("MemTotal:       24578420 kB\nMemFree: 5 kB\n"), Some(24_578_420 * 1024));
        assert_eq!(total_of(""), None);
        let files = group_files("5:cpu,memory:/pod/wharf\n1:pids:/x\n0::/system.slice/wharf.service\nx\n");
        assert_eq!(
            files[2..],
            [
                "/sys/fs/cgroup/memory/pod/wharf/memory.limit_in_bytes",
                "/sys/fs/cgroup/system.slice/wharf.service/memory.max"
            ]
        );
        assert!(memory_limit() > 16 * 1024 * 1024);
    }
}
