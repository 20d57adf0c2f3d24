//! The process itself, as the kernel tells of it.

use super::exposition::{Exposition, Kind};

/// Ticks in which `/proc` counts time; fixed for programs on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Tells what the kernel knows; what cannot be read is left out.
pub fn render(out: &mut Exposition) {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    // After the name in parentheses, which may hold anything: fields from the third on (proc(5)).
    let stat = read("/proc/self/stat");
    let fields: Vec<&str> = stat
        .as_deref()
        .and_then(|text| text.rsplit_once(')'))
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
    if let (Some(user), Some(system)) = (field(14), field(15)) {
        let name = "process_cpu_seconds_total";
        out.single(name, Kind::Counter, "Processor time used.", (user + system) as f64 / TICKS_PER_SECOND);
    }
    let status = read("/proc/self/status").unwrap_or_default();
    let status = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    if let Some(threads) = status("Threads") {
        out.single("process_threads", Kind::Gauge, "Threads.", threads);
    }
    let boot = read("/proc/stat").and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("btime ")).and_then(|text| text.trim().parse::<u64>().ok())
    });
    if let (Some(boot), Some(started)) = (boot, field(22)) {
        let started = boot as f64 + started as f64 / TICKS_PER_SECOND;
        out.single("process_start_time_seconds", Kind::Gauge, "When the process started, in Unix time.", started);
    }
    if let Some(kib) = status("VmSize") {
        out.single("process_virtual_memory_bytes", Kind::Gauge, "Address space.", kib * 1024);
    }
    if let Some(kib) = status("VmRSS") {
        out.single("process_resident_memory_bytes", Kind::Gauge, "Memory in use.", kib * 1024);
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        let count = entries.count().saturating_sub(1);
        out.single("process_open_fds", Kind::Gauge, "Open file descriptors.", count);
    }
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    if let Some(most) = limit.current {
        out.single("process_max_fds", Kind::Gauge, "File descriptors that may be open.", most);
    }
}
