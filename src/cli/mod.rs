//! The command line: one file a command.
//!
//! A command reads its arguments, asks the [`App`] and shows a view. Nothing is decided here that page or API would have
//! to decide again. Exit status: 0 all done, 1 failed, 2 wrong usage, 3 done in part.

mod api_key;
mod audit;
mod backup;
mod config;
mod connect;
mod connections;
mod credentials;
mod dates;
#[cfg(feature = "demo")]
mod demo;
mod disconnect;
mod doctor;
mod explain;
mod failure;
mod get;
mod health;
mod heap;
mod integrations;
mod keys;
mod log;
mod output;
mod pause;
mod progress;
mod project;
mod rates;
mod reconnect;
mod restore;
mod runs;
mod serve;
mod set;
mod sign_in;
mod sparkline;
mod sync;
mod test;
mod user;
mod worker;

use std::{
    ffi::OsString,
    panic::AssertUnwindSafe,
    path::PathBuf,
    process::ExitCode,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::{Parser, Subcommand};

use crate::{
    app::App,
    config::{Config, Flags, Loaded},
    integrations::Registry,
    secret::Secret,
    store::{Actor, Store},
};
use failure::{Done, Failure};
pub use heap::share_heap;
use output::Output;

/// All your company's numbers on your own machine.
///
/// Dashtray connects to the services a company lives on, pulls their metrics on a schedule, keeps them as exact time
/// series and shows them. Nothing leaves your machine but the requests to those services.
#[derive(Debug, Parser)]
#[command(
    name = "dashtray",
    version,
    after_help = "Start here:\n  \
        dashtray demo                          try it with a simulated company\n  \
        dashtray integrations                  what can be connected\n  \
        dashtray connect stripe                connect an account; asks for the key\n  \
        dashtray sync                          read the numbers now\n  \
        dashtray get stripe_mrr --from 2026-01-01\n  \
        dashtray serve                         keep them up to date\n\n\
        Exit status: 0 all done, 1 failed, 2 wrong usage, 3 done in part."
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Read this configuration file instead of ./config.toml or DIR/config.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the database and the generated key [default: ./data]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// sqlite:/path or postgres://user@host/database [default: SQLite in the data directory]
    #[arg(long, global = true, value_name = "URL", value_parser = secret)]
    database_url: Option<Secret>,
    /// Print JSON on stdout and nothing else there, errors included
    #[arg(long, global = true)]
    json: bool,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Worker(worker::Args),
    #[cfg(feature = "demo")]
    Demo(demo::Args),
    Integrations(integrations::Args),
    Project(project::Args),
    Connect(connect::Args),
    Connections(connections::Args),
    Test(test::Args),
    Reconnect(reconnect::Args),
    Set(set::Args),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Disconnect(disconnect::Args),
    Runs(runs::Args),
    Sync(sync::Args),
    Get(get::Args),
    Explain(explain::Args),
    Rates(rates::Args),
    Keys(keys::Args),
    Backup(backup::Args),
    Restore(restore::Args),
    User(user::Args),
    ApiKey(api_key::Args),
    Audit(audit::Args),
    Config(config::Args),
    Doctor(doctor::Args),
    Health(health::Args),
}

/// Which project a command speaks of.
#[derive(Debug, clap::Args)]
struct ProjectArg {
    /// The project
    #[arg(long, value_name = "SLUG", default_value = "default")]
    project: String,
}

/// What every command is handed: the configuration, and the way to print.
struct Invocation {
    loaded: Loaded,
    out: Output,
    /// The database, once it is open, so that it is closed in the end: SQLite then leaves one file behind, not three.
    opened: OnceLock<Store>,
    /// Somebody was asked to stop twice.
    is_hurried: AtomicBool,
}

impl Invocation {
    fn config(&self) -> &Config {
        &self.loaded.config
    }

    /// Nothing is waited for any more.
    fn hurry(&self) {
        self.is_hurried.store(true, Ordering::Relaxed);
    }

    async fn open(&self) -> Result<App, Failure> {
        self.open_with(self.config().clone()).await
    }

    async fn open_with(&self, config: Config) -> Result<App, Failure> {
        let registry = Registry::builtin();
        for id in config.provider_urls.keys() {
            if let Err(unknown) = registry.get(id) {
                self.out.note(&format!("warning: a provider URL is set for an unknown integration. {unknown}"));
            }
        }
        let app = App::open(config, registry).await?.acting(Actor::CommandLine);
        let _ = self.opened.set(app.store.clone());
        Ok(app)
    }
}

/// How long a command waits for its database to close.
const CLOSING: Duration = Duration::from_secs(2);

/// Runs the program: parses the arguments, does what they say, prints what came of it.
pub fn main() -> ExitCode {
    share_heap();
    failure::report_panics();
    let arguments = crate::config::arguments();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error, wants_json(&arguments)),
    };
    let out = Output::new(cli.global.json);
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| {
        // Two at least, so that an integration that never waits holds up one and not all.
        let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get().max(2));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
        let done = runtime.block_on(cli.run(out));
        // And is not waited for.
        runtime.shutdown_timeout(CLOSING);
        done
    }));
    match result.unwrap_or_else(|_| Err(Failure::internal())) {
        Ok(done) => done.into(),
        Err(failure) => out.fail(&failure),
    }
}

/// Whether errors are to be JSON although the arguments as a whole make no sense.
fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

impl Cli {
    async fn run(self, out: Output) -> Result<Done, Failure> {
        let listen = match &self.command {
            Command::Serve(args) => args.listen.clone(),
            _ => None,
        };
        let Global { config, data_dir, database_url, .. } = self.global;
        let loaded = Config::load(&Flags { config, listen, data_dir, database_url })?;
        for warning in &loaded.warnings {
            out.note(&format!("warning: {warning}"));
        }
        log::start(&loaded.config, self.command.is_long_running())?;
        #[cfg(debug_assertions)]
        if let Some(number) = crate::config::fail_at()? {
            crate::fail_point::abort_at(number);
        }
        let invocation = Invocation { loaded, out, opened: OnceLock::new(), is_hurried: AtomicBool::new(false) };
        let done = self.command.run(&invocation).await;
        if let Some(store) = invocation.opened.get().filter(|_| !invocation.is_hurried.load(Ordering::Relaxed)) {
            // Whoever was interrupted may still hold a connection; what is committed is safe either way.
            let _ = tokio::time::timeout(CLOSING, store.close()).await;
        }
        done
    }
}

impl Command {
    fn is_long_running(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Worker(_) => true,
            #[cfg(feature = "demo")]
            Self::Demo(_) => true,
            _ => false,
        }
    }

    async fn run(self, invocation: &Invocation) -> Result<Done, Failure> {
        match self {
            Self::Serve(_) => serve::run(invocation).await,
            Self::Worker(args) => worker::run(invocation, args).await,
            #[cfg(feature = "demo")]
            Self::Demo(args) => demo::run(invocation, args).await,
            Self::Integrations(args) => integrations::run(invocation, args),
            Self::Project(args) => project::run(invocation, args).await,
            Self::Connect(args) => connect::run(invocation, args).await,
            Self::Connections(args) => connections::run(invocation, args).await,
            Self::Test(args) => test::run(invocation, args).await,
            Self::Reconnect(args) => reconnect::run(invocation, args).await,
            Self::Set(args) => set::run(invocation, args).await,
            Self::Pause(args) => pause::pause(invocation, args).await,
            Self::Resume(args) => pause::resume(invocation, args).await,
            Self::Disconnect(args) => disconnect::run(invocation, args).await,
            Self::Runs(args) => runs::run(invocation, args).await,
            Self::Sync(args) => sync::run(invocation, args).await,
            Self::Get(args) => get::run(invocation, args).await,
            Self::Explain(args) => explain::run(invocation, args).await,
            Self::Rates(args) => rates::run(invocation, args).await,
            Self::Keys(args) => keys::run(invocation, args).await,
            Self::Backup(args) => backup::run(invocation, args).await,
            Self::Restore(args) => restore::run(invocation, args).await,
            Self::User(args) => user::run(invocation, args).await,
            Self::Audit(args) => audit::run(invocation, args).await,
            Self::ApiKey(args) => api_key::run(invocation, args).await,
            Self::Config(_) => config::run(invocation),
            Self::Doctor(_) => doctor::run(invocation).await,
            Self::Health(args) => health::run(invocation, args).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_of_every_command_may_follow_the_command() {
        let cli = Cli::try_parse_from(["dashtray", "get", "stripe_mrr", "--json", "--data-dir", "/d"]).unwrap();
        assert!(cli.global.json);
        assert_eq!(cli.global.data_dir, Some("/d".into()));
    }

    #[test]
    fn json_is_wanted_also_where_the_rest_is_wrong() {
        let wants = |arguments: &[&str]| wants_json(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(wants(&["dashtray", "get", "m", "--from", "never", "--json"]));
        assert!(!wants(&["dashtray", "sync", "--", "--json"]));
    }

    #[test]
    fn a_mistyped_command_or_date_is_refused_with_what_was_meant() {
        let message = |args: &[&str]| Cli::try_parse_from(args).unwrap_err().to_string();
        assert!(message(&["dashtray", "conect", "stripe"]).contains("connect"));
        assert!(message(&["dashtray", "get", "m", "--from", "2026-02-30"]).contains("write it as 2026-03-31"));
        assert!(message(&["dashtray", "get", "m", "--interval", "year"]).contains("use day, week or month"));
        assert!(message(&["dashtray", "get", "m", "--csv", "--json"]).contains("cannot be used with"));
    }
}
