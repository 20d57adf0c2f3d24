//! The command line for people and scripts. It talks HTTP only, as any other client could: IAM's API, CloudTrail's, ECR's and
//! Wharf's own, and the registry protocol.

mod access;
mod access_key;
mod advisories;
mod audit;
mod bytes;
mod client;
mod count;
mod date;
mod deleted_images;
mod digest;
mod document;
mod dry_run;
mod duration;
mod error;
mod events;
mod findings;
mod fsck;
mod gc;
mod given;
mod group;
mod health;
mod held_policy;
mod holder;
mod image;
mod image_scan;
mod import;
mod job_kind;
mod jobs;
mod key;
mod lifecycle;
mod membership;
mod named_image;
mod nodes;
mod number;
mod oidc_provider;
mod options;
mod output;
mod packages;
mod policy;
mod progress;
mod protect;
mod replication;
mod replication_backfill;
mod repository;
mod role;
mod scan;
mod scheme;
mod service_key;
mod since;
mod status;
mod target;
#[cfg(test)]
mod tests;
mod token;
mod user;
mod waiting;
mod xml;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};

pub use aws::SecretAccessKey;

pub use oci::shown_bytes;

pub use crate::count::counted;
pub use crate::duration::Duration;
pub use crate::error::Error;
pub use crate::fsck::FsckArgs;
pub use crate::options::{FindRootKey, Local, Options, Surroundings};
pub use crate::output::{Format, Screen};
pub use crate::policy::{Command as PolicyCommand, ResetOf};

use crate::client::Client;
use crate::output::Output;

/// The commands that call a server.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Users: who signs in with keys of their own.
    User(Noun<user::Command>),
    /// Access keys of users.
    Key(Noun<key::Command>),
    /// Groups of users, who share policies.
    Group(Noun<group::Command>),
    /// Roles, which others take on for a while.
    Role(Noun<role::Command>),
    /// OpenID Connect providers, such as GitHub Actions, whose tokens are exchanged for a role's keys.
    OidcProvider(Noun<oidc_provider::Command>),
    /// Policies, which say who may do what.
    Policy(Noun<policy::Command>),
    /// Registry tokens for machines: a password that works for some repositories, until it expires or is revoked.
    Token(Noun<token::Command>),
    /// Replication: where images go, and how far each got.
    Replication(Noun<replication::Command>),
    /// Why somebody may do something, or may not.
    Access(Noun<access::Command>),
    /// Copy repositories from elsewhere. Exits with 1 if something could not be imported.
    Import(Noun<import::Command>),
    /// Scan an image for vulnerabilities, wait, and show what was found. Exits with 1 if something counts, and with 2 if
    /// it is not known that nothing does.
    #[command(mut_arg("output", |output| output.value_parser(clap::builder::EnumValueParser::<Format>::new())))]
    Scan(Verb<scan::ScanArgs>),
    /// What the last scan of an image has found. Exits as `wharf scan` does.
    #[command(mut_arg("output", |output| output.value_parser(clap::builder::EnumValueParser::<Format>::new())))]
    Findings(Verb<findings::FindingsArgs>),
    /// What is installed in an image, as its last scan has found it. Exits with 2 if not all of it is known.
    Packages(Verb<packages::PackagesArgs>),
    /// Deleted images, which can be restored for a while.
    Image(Noun<image::Command>),
    /// Lifecycle policies: run them now, see what they would do and what came of them.
    Lifecycle(Noun<lifecycle::Command>),
    /// Settings of repositories that ECR has no place for.
    Repository(Noun<repository::Command>),
    /// Protect a repository, tags or an image from deletion, or list what is protected.
    Protect(Verb<protect::ProtectArgs>),
    /// Let what was protected be deleted again.
    Unprotect(Verb<protect::UnprotectArgs>),
    /// Who did what.
    Audit(Noun<audit::Command>),
    /// Advisories, which tell of vulnerabilities: how old they are, and where they come from.
    Advisories(Noun<advisories::Command>),
    /// Background jobs of the server: those that wait, and those that were given up.
    Jobs(Noun<jobs::Command>),
    /// The keys that encrypt what the server stores.
    ServiceKey(Noun<service_key::Command>),
    /// Events, which tell others what happens.
    Events(Noun<events::Command>),
    /// The nodes that share the database.
    Nodes(Verb<nodes::NodesArgs>),
    /// How the server is: its nodes, what it stores and what it is at.
    Status(Verb<status::StatusArgs>),
    /// Whether a server can serve; asked without credentials. The exit code is 1 if it cannot.
    Health(Verb<health::HealthArgs>),
    /// Collect garbage now, and show what it frees.
    Gc(Verb<gc::GcArgs>),
    /// Check all that is stored, and repair what is safe. Exits with 1 if something is wrong.
    Fsck(Verb<fsck::FsckArgs>),
}

/// A command without commands of its own, with what all of them take.
#[derive(Args, Debug)]
pub struct Verb<A: Args> {
    /// What it takes itself. It comes first: what follows the options of all commands would stand under their heading.
    #[command(flatten)]
    pub arguments: A,
    /// What all commands take.
    #[command(flatten)]
    pub options: Options,
}

/// A command with what all of them take.
#[derive(Args, Debug)]
pub struct Noun<C: Subcommand> {
    /// What all commands take.
    #[command(flatten)]
    pub options: Options,
    /// What is to be done.
    #[command(subcommand)]
    pub command: C,
}

/// How a command that worked ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Done,
    /// The answer to what was asked is no.
    No,
}

/// What a command works with.
struct Session<'a> {
    client: Client,
    output: Output<'a>,
}

impl Command {
    fn options(&self) -> &Options {
        match self {
            Self::User(noun) => &noun.options,
            Self::Key(noun) => &noun.options,
            Self::Group(noun) => &noun.options,
            Self::Role(noun) => &noun.options,
            Self::OidcProvider(noun) => &noun.options,
            Self::Policy(noun) => &noun.options,
            Self::Token(noun) => &noun.options,
            Self::Replication(noun) => &noun.options,
            Self::Access(noun) => &noun.options,
            Self::Import(noun) => &noun.options,
            Self::Scan(verb) => &verb.options,
            Self::Findings(verb) => &verb.options,
            Self::Packages(verb) => &verb.options,
            Self::Image(noun) => &noun.options,
            Self::Lifecycle(noun) => &noun.options,
            Self::Repository(noun) => &noun.options,
            Self::Protect(verb) => &verb.options,
            Self::Unprotect(verb) => &verb.options,
            Self::Audit(noun) => &noun.options,
            Self::Advisories(noun) => &noun.options,
            Self::Jobs(noun) => &noun.options,
            Self::ServiceKey(noun) => &noun.options,
            Self::Events(noun) => &noun.options,
            Self::Nodes(verb) => &verb.options,
            Self::Status(verb) => &verb.options,
            Self::Health(verb) => &verb.options,
            Self::Gc(verb) => &verb.options,
            Self::Fsck(verb) => &verb.options,
        }
    }

    /// Runs it and prints what it found out.
    pub async fn run(
        self,
        surroundings: &Surroundings<'_>,
        now_ms: fn() -> i64,
        writer: &mut dyn Write,
        screen: Screen,
    ) -> Result<Outcome, Error> {
        // Without credentials, which who watches over a server need not have.
        if let Self::Health(verb) = self {
            let mut output = Output::new(writer, verb.options.output, screen);
            return verb.arguments.run(&verb.options, surroundings, &mut output).await;
        }
        let options = self.options();
        let mut output = Output::new(writer, options.output, screen);
        if let Self::Import(noun) = self {
            // Its target is not always where the environment's credentials belong.
            return noun.command.run(&noun.options, surroundings, now_ms, &mut output).await;
        }
        let client = Client::new(options::resolve(options, surroundings)?, now_ms)?;
        let mut session = Session { client, output };
        match self {
            Self::User(noun) => noun.command.run(&mut session).await?,
            Self::Key(noun) => noun.command.run(&mut session).await?,
            Self::Group(noun) => noun.command.run(&mut session).await?,
            Self::Role(noun) => noun.command.run(&mut session).await?,
            Self::OidcProvider(noun) => noun.command.run(&mut session).await?,
            Self::Policy(noun) => noun.command.run(&mut session).await?,
            Self::Token(noun) => noun.command.run(&mut session).await?,
            Self::Replication(noun) => noun.command.run(&mut session).await?,
            Self::Advisories(noun) => return noun.command.run(&mut session).await,
            Self::Jobs(noun) => noun.command.run(&mut session).await?,
            Self::ServiceKey(noun) => noun.command.run(&mut session).await?,
            Self::Events(noun) => return noun.command.run(&mut session).await,
            Self::Gc(verb) => verb.arguments.run(&mut session).await?,
            Self::Fsck(verb) => return verb.arguments.run(&mut session).await,
            Self::Access(noun) => return noun.command.run(&mut session).await,
            Self::Import(_) => return Ok(Outcome::Done),
            Self::Scan(verb) => return verb.arguments.run(&mut session).await,
            Self::Findings(verb) => return verb.arguments.run(&mut session).await,
            Self::Packages(verb) => return verb.arguments.run(&mut session).await,
            Self::Image(noun) => return noun.command.run(&mut session).await,
            Self::Lifecycle(noun) => return noun.command.run(&mut session).await,
            Self::Repository(noun) => noun.command.run(&mut session).await?,
            Self::Protect(verb) => verb.arguments.run(&mut session).await?,
            Self::Unprotect(verb) => verb.arguments.run(&mut session).await?,
            Self::Audit(noun) => noun.command.run(&mut session).await?,
            Self::Nodes(verb) => verb.arguments.run(&mut session).await?,
            Self::Status(verb) => verb.arguments.run(&mut session).await?,
            Self::Health(_) => return Ok(Outcome::No),
        }
        Ok(Outcome::Done)
    }
}

/// Runs a command as a program does: prints to standard output, tells errors on standard error. The exit code is 0, or
/// 1 when the answer to what was asked is no, or 2 after an error.
pub fn main(
    command: Command,
    local: &dyn Fn(&Options) -> Result<Local, String>,
    root_key: FindRootKey<'_>,
) -> ExitCode {
    run_program(command, &Surroundings { variable: &|name| std::env::var(name).ok(), local, root_key })
}

/// As [`main`], with the root's key of the data folder, whatever the environment says of AWS.
pub fn main_as_root(
    command: Command,
    local: &dyn Fn(&Options) -> Result<Local, String>,
    root_key: FindRootKey<'_>,
) -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok().filter(|_| !name.starts_with("AWS_"));
    run_program(command, &Surroundings { variable: &variable, local, root_key })
}

/// Prints the report of `wharf fsck --offline` where the database is too damaged to be opened, from its findings, and ends as
/// the command does.
pub fn render_unreadable(options: &Options, findings: Vec<serde_json::Value>) -> ExitCode {
    let mut stdout = std::io::stdout();
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let mut output = Output::new(&mut stdout, options.output, Screen::default());
    ended(fsck::render_unreadable(&mut output, findings, now_ms))
}

fn run_program(command: Command, surroundings: &Surroundings<'_>) -> ExitCode {
    let mut stdout = std::io::stdout();
    let screen = Screen::of_stdout((surroundings.variable)("NO_COLOR").as_deref());
    let now_ms = || jiff::Timestamp::now().as_millisecond();
    let mut runtime = match &command {
        // Layers are received, checked and sent at the same time.
        Command::Import(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build().map_err(Error::Output);
    let run = |runtime: tokio::runtime::Runtime| {
        let outcome = runtime.block_on(command.run(surroundings, now_ms, &mut stdout, screen))?;
        stdout.flush()?;
        Ok(outcome)
    };
    ended(runtime.and_then(run))
}

/// Tells an error, and what the program's exit code is.
fn ended(outcome: Result<Outcome, Error>) -> ExitCode {
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(1),
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", output::clean(&error.to_string()));
            if let Some(hint) = error.hint() {
                eprintln!("  {}", output::clean(&hint));
            }
            ExitCode::from(2)
        }
    }
}
