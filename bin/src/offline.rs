//! `wharf fsck --offline`: checks what a server that is stopped has stored. A server is started for the check alone, on a
//! port of this machine that nobody knows, so that there is one way to check.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use config::settings::TlsConfig;
use ctl::{FsckArgs, Verb};
use runtime::clock::SystemClock;
use runtime::work::Work;
use server::Server;
use server::maintenance::unreadable;

use crate::{CommonArgs, credentials};

/// The check of what was just restored: all metadata, and the end of every object.
pub fn quick_check(common: CommonArgs) -> Verb<FsckArgs> {
    let options = ctl::Options { config: common.config, data_dir: common.data_dir, ..ctl::Options::default() };
    Verb { options, arguments: FsckArgs::quick() }
}

/// Checks, and ends as `wharf fsck` does.
pub fn check(mut fsck: Verb<FsckArgs>) -> anyhow::Result<ExitCode> {
    let common = CommonArgs { config: fsck.options.config.clone(), data_dir: fsck.options.data_dir.clone() };
    let mut config = common.load()?;
    config.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    config.tls = TlsConfig::default();
    config.public_url = None;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let work = Work::ChecksOnly { mends_pages: fsck.arguments.repairs() };
    let server = match runtime.block_on(Server::start_with(&config, Arc::new(SystemClock), work)) {
        Ok(server) => server,
        // That is what the check has found.
        Err(error) => match unreadable::findings(&config, &error) {
            Some(findings) => return Ok(ctl::render_unreadable(&fsck.options, findings)),
            None => return Err(error.into()),
        },
    };
    fsck.options.endpoint = Some(server.url.clone());
    // The root's key, whoever's keys the environment holds.
    let ended = ctl::main_as_root(ctl::Command::Fsck(fsck), &credentials::local, &credentials::root_key);
    runtime.block_on(server.stop());
    Ok(ended)
}
