//! `wharf backup`, `wharf restore`, `wharf migrate` and `wharf dump`: they work on what is stored on this machine.

use std::fmt::Write as _;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use config::settings::{Arguments, Config, Draft};
use ctl::{Format, counted, shown_bytes};
use serde_json::{Value, json};
use server::maintenance::backup::{BackupSettings, BackupSummary, backup};
use server::maintenance::migrate::{Migrated, Step, dump, migrate};
use server::maintenance::restore::restore;

use crate::{CommonArgs, offline, shell};

/// How often what is shown of progress changes.
const SHOW_EVERY: Duration = Duration::from_millis(200);

#[derive(Args)]
pub struct BackupArgs {
    /// Folder of the backup; one that is there is brought up to date.
    folder: PathBuf,
    /// Put the service key, the root's key and that of the certificate authority into the backup, too. Whoever has it
    /// then can read everything.
    #[arg(long)]
    with_key: bool,
    /// Copy objects even where they could be linked, so that the backup shares no block with the data folder.
    #[arg(long)]
    copy: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args)]
pub struct RestoreArgs {
    /// Folder of the backup.
    folder: PathBuf,
    /// Do not check what was restored.
    #[arg(long)]
    no_check: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Args)]
pub struct MigrateArgs {
    /// Configuration of the server as it is now.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Configuration of the server as it is to be, with another data folder, database or store.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Copy objects only, while the server goes on: what is left to do when it is stopped takes less time then. Without
    /// this the server must be stopped.
    #[arg(long)]
    prepare: bool,
}

#[derive(Args)]
pub struct DumpArgs {
    #[command(flatten)]
    common: CommonArgs,
}

/// A line on standard error that changes, if that is a terminal.
struct Line {
    is_shown: bool,
    last: Option<std::time::Instant>,
}

impl Line {
    fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), last: None }
    }

    fn show(&mut self, text: &str) {
        if self.is_shown && self.last.is_none_or(|last| last.elapsed() >= SHOW_EVERY) {
            self.last = Some(std::time::Instant::now());
            // A terminal that is gone is nothing to fail of.
            let _ = write!(std::io::stderr(), "\r\u{1b}[K{text}");
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}

/// What the commands run in. Whatever they make is its owner's alone.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn names(missing: &[String]) -> String {
    let shown: Vec<&str> = missing.iter().take(5).map(String::as_str).collect();
    format!("{}{}", shown.join(", "), if missing.len() > 5 { ", …" } else { "" })
}

/// `wharf backup`.
pub fn run_backup(args: BackupArgs) -> anyhow::Result<ExitCode> {
    let config = args.common.load()?;
    let settings = BackupSettings { folder: args.folder, with_key: args.with_key, copies: args.copy };
    let mut line = Line::new();
    let done = runtime()?.block_on(backup(&config, &settings, &mut |objects| line.show(&format!("{objects} objects"))));
    drop(line);
    let summary = done?;
    let exit_code = if summary.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if args.output == Format::Json {
        let shown = serde_json::to_string_pretty(&summary_json(&summary, &settings.folder)?)?;
        shell::print(&format!("{shown}\n"))?;
        return Ok(exit_code);
    }
    let mut text = format!(
        "{}; the database, {} with {} in it; {} beside it ({} kept, {} linked, {} copied, {} removed), {}; in {}\n",
        counted(summary.images, "image", "images"),
        shown_bytes(summary.database_bytes),
        counted(summary.small_blobs, "small blob", "small blobs"),
        counted(summary.objects, "object", "objects"),
        summary.kept,
        summary.linked,
        summary.copied,
        summary.removed,
        shown_bytes(summary.bytes),
        settings.folder.display()
    );
    text.push_str(if summary.with_key {
        "The service key is part of it: whoever has the backup can read everything\n"
    } else {
        "The service key is NOT part of it: keep service.key (or WHARF_SERVICE_KEY) elsewhere, as nothing can be read \
         without it, and with it credentials.json (the root's access key) and tls-authority.json (if there is one), which \
         are not part of it either\n"
    });
    shell::print(&text)?;
    if !summary.missing.is_empty() {
        eprintln!(
            "{} missing in the data folder ({}): `wharf fsck` tells which images suffer",
            counted(summary.missing.len(), "object is", "objects are"),
            names(&summary.missing)
        );
    }
    Ok(exit_code)
}

/// A backup, for scripts: what `backup.json` in its folder says, and which folder that is.
fn summary_json(summary: &BackupSummary, folder: &Path) -> serde_json::Result<Value> {
    let mut json = serde_json::to_value(summary)?;
    json["folder"] = json!(folder);
    Ok(json)
}

/// `wharf restore`.
pub fn run_restore(args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let common = CommonArgs { config: args.common.config.clone(), data_dir: args.common.data_dir.clone() };
    let config = args.common.load()?;
    let mut line = Line::new();
    let done =
        runtime()?.block_on(restore(&config, &args.folder, &mut |objects| line.show(&format!("{objects} objects"))));
    drop(line);
    let restored = done?;
    let objects = counted(restored.objects, "object was", "objects were");
    shell::print(&format!("{objects} restored into {}\n", restored.data_dir.display()))?;
    let lines = left_to_put_back(&restored.lacks, &restored.data_dir);
    if !restored.has_key {
        bail!(
            "the backup has no service key. Put back, into {folder}, with mode 0600, before the server starts:\n{lines}\
             Then run `wharf fsck --offline --data-dir {folder}` to check what was restored",
            folder = restored.data_dir.display()
        );
    }
    // Without that the server starts, with another root key than before.
    if restored.lacks.contains(&"credentials.json") {
        eprint!("note: the backup lacks what is to be put back, if the server had it, before it starts:\n{lines}");
    }
    if args.no_check { Ok(ExitCode::SUCCESS) } else { offline::check(offline::quick_check(common)) }
}

/// The files that a backup lacks, and what becomes of the registry without each.
fn left_to_put_back(lacks: &[&str], data_dir: &Path) -> String {
    let without = |name: &str| match name {
        "service.key" => "nothing can be read (WHARF_SERVICE_KEY gives it, too)",
        "credentials.json" => "the next start makes another access key for the root",
        _ => "--tls self-signed makes another authority, which clients do not trust; no server without that has one",
    };
    let mut lines = String::new();
    for name in lacks {
        let _ = writeln!(lines, "  {}: without it, {}", data_dir.join(name).display(), without(name));
    }
    lines
}

fn load(file: &Path) -> anyhow::Result<Config> {
    // Each place is as its file says: a variable would set both.
    let config = Draft::read(Some(file), |_| None, std::iter::empty(), Arguments::default()).checked(|_| Vec::new())?;
    config.data_dir.as_ref().with_context(|| format!("{}: data_dir must be given", file.display()))?;
    Ok(config)
}

/// Both configurations, or all that is wrong with either.
fn load_both(from: &Path, to: &Path) -> anyhow::Result<(Config, Config)> {
    match (load(from), load(to)) {
        (Ok(from), Ok(to)) => Ok((from, to)),
        (Err(first), Err(second)) if from != to => bail!("{first}\nand {second}"),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// `wharf migrate`.
pub fn run_migrate(args: MigrateArgs) -> anyhow::Result<ExitCode> {
    let (from, to) = load_both(&args.from, &args.to)?;
    let mut line = Line::new();
    let done = runtime()?.block_on(migrate(&from, &to, !args.prepare, &mut |step| {
        line.show(&match step {
            Step::Objects(count) => format!("{count} objects"),
            Step::Table(table, rows) => format!("{table}: {rows} rows"),
            Step::Comparing => "comparing".to_owned(),
        });
    }));
    drop(line);
    let Migrated { copied, bytes, kept, plain, missing, tables } = done?;
    let mut text = format!(
        "{} copied ({}), {} there\n",
        counted(copied, "object", "objects"),
        shown_bytes(bytes),
        counted(kept, "was", "were")
    );
    match tables {
        Some((tables, rows)) => writeln!(
            text,
            "{tables} tables with {rows} rows copied and compared: start the server with {}, and the old one no more",
            args.to.display()
        )?,
        None => text.push_str("Stop the server and run this again without --prepare to copy the rest\n"),
    }
    if plain > 0 {
        writeln!(
            text,
            "{} not encrypted by Wharf, as the bucket did that, and not by the move either: see to it that the new place \
             encrypts what it holds",
            counted(plain, "blob is", "blobs are")
        )?;
    }
    shell::print(&text)?;
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "{} missing already ({}): `wharf fsck` tells which images suffer",
        counted(missing.len(), "object was", "objects were"),
        names(&missing)
    );
    Ok(ExitCode::FAILURE)
}

/// `wharf dump`.
pub fn run_dump(args: DumpArgs) -> anyhow::Result<ExitCode> {
    let config = args.common.load()?;
    let mut out = BufWriter::new(std::io::stdout());
    let mut is_unread = false;
    let mut noted = |written: std::io::Result<()>| {
        is_unread |= written.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe);
        written.map_err(server::maintenance::write_failed)
    };
    let dumped = runtime()?.block_on(dump(&config, &mut |line| noted(writeln!(out, "{line}"))));
    let ended = dumped.map_err(anyhow::Error::from).and_then(|()| Ok(noted(out.flush())?));
    // That nobody reads on is no failure.
    if is_unread { Ok(ExitCode::SUCCESS) } else { ended.map(|()| ExitCode::SUCCESS) }
}
