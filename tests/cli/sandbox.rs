//! A directory of its own, the simulated company, and the binary between them.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, OnceLock},
};

use dashtray::demo::{
    Company, Emulators, GITHUB_TOKEN, GITHUB_TOKEN_READ_ONLY, OAUTH_CLIENT_SECRET, Options, PLAUSIBLE_KEY, STRIPE_KEY,
    STRIPE_KEY_WITHOUT_CHARGES,
};
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::support::database::Database;

/// The program's now.
pub(super) const NOW: &str = "2026-03-31T12:00:00Z";
/// 64 digits each, which open nothing but tests.
pub(super) const OLD_KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";
pub(super) const NEW_KEY: &str = "2222222222222222222222222222222222222222222222222222222222222222";
/// What no output may ever hold.
pub(super) const SECRETS: [&str; 11] = [
    STRIPE_KEY,
    STRIPE_KEY_WITHOUT_CHARGES,
    GITHUB_TOKEN,
    GITHUB_TOKEN_READ_ONLY,
    OLD_KEY,
    NEW_KEY,
    "C4n4ryNotARealSecret4711",
    PLAUSIBLE_KEY,
    OAUTH_CLIENT_SECRET,
    // What Google's tokens and codes have in common, and its keys.
    "DemoFernwerkNotReal-",
    "BEGIN PRIVATE KEY",
];

/// The company at [`NOW`], made once.
pub(super) fn company() -> Arc<Company> {
    static COMPANY: OnceLock<Arc<Company>> = OnceLock::new();
    COMPANY.get_or_init(|| Arc::new(Company::generate(7, NOW.parse().unwrap()))).clone()
}

/// Credentials and settings as `connect` reads them.
pub(super) fn stripe_file(key: &str) -> Json {
    json!({"credentials": {"api_key": key}, "settings": {}})
}

/// The same for two repositories.
pub(super) fn github_file(token: &str) -> Json {
    json!({"credentials": {"token": token}, "settings": {"repositories": ["fernwerk/fern", "fernwerk/fern-cli"]}})
}

/// A place to run the program in.
pub(super) struct Sandbox {
    pub(super) directory: TempDir,
    pub(super) emulators: Emulators,
    environment: Vec<(String, String)>,
}

impl Sandbox {
    /// With both providers as they should be.
    pub(super) async fn new() -> Self {
        Self::of(company()).await
    }

    /// The same for another company.
    pub(super) async fn of(company: Arc<Company>) -> Self {
        Self::with(company, Options::default()).await
    }

    /// The same with providers that are set up otherwise.
    pub(super) async fn with(company: Arc<Company>, options: Options) -> Self {
        let emulators = Emulators::start(company, options).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut sandbox = Self { directory, emulators, environment: Vec::new() };
        sandbox.set("DASHTRAY_NOW", NOW);
        for service in ["stripe", "github"] {
            sandbox.provider(service, &sandbox.emulators.url(service));
        }
        sandbox
    }

    /// Puts another address in place of a provider.
    pub(super) fn provider(&mut self, service: &str, url: &str) {
        self.set(&format!("DASHTRAY_PROVIDER_URL_{}", service.to_uppercase().replace('-', "_")), url);
    }

    /// Sets a variable for all that follows; an empty one counts as not given.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The data directory, which is `./data` where nothing else is said.
    pub(super) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// The database behind the program's back.
    pub(super) fn database(&self) -> Database {
        Database::at(self.data().join("dashtray.db"))
    }

    /// Writes a file and gives its name.
    pub(super) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), content).unwrap();
        name.to_owned()
    }

    /// The program in this place, with arguments that are parted by blanks.
    pub(super) fn command(&self, arguments: &str) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_dashtray")), &arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Another program that is to start it, in the same place.
    pub(super) fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .envs(self.environment.iter().filter(|(_, value)| !value.is_empty()).cloned())
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs it to its end.
    pub(super) async fn run(&self, arguments: &str) -> Ended {
        Ended::of(arguments, self.command(arguments).output().await.unwrap())
    }

    /// The same with something on standard input.
    pub(super) async fn run_with(&self, arguments: &str, input: &str) -> Ended {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        Ended::of(arguments, child.wait_with_output().await.unwrap())
    }

    /// The JSON of a command that is to succeed.
    pub(super) async fn json(&self, arguments: &str) -> Json {
        self.run(&format!("{arguments} --json")).await.json(0)
    }

    /// The error of a command that is to end with this status: the code, and the sentence, which is the same for people.
    pub(super) async fn refused(&self, arguments: &str, status: i32) -> String {
        let shown = self.run(arguments).await;
        let sentence = self.failed(arguments, status).await;
        assert_eq!((shown.status, shown.stdout.as_str()), (status, ""), "{shown:?}");
        let (_, message) = sentence.split_once(": ").unwrap();
        let first = message.lines().next().unwrap();
        assert!(shown.stderr.contains(&format!("error: {first}")), "{shown:?} says {first}");
        sentence
    }

    /// The same without a second run for people.
    pub(super) async fn failed(&self, arguments: &str, status: i32) -> String {
        self.run(&format!("{arguments} --json")).await.error(status)
    }

    /// Connects by a file.
    pub(super) async fn connect(&self, integration: &str, file: &Json) -> Json {
        let file = self.file("credentials.json", file.to_string());
        self.json(&format!("connect {integration} --credentials {file}")).await
    }

    /// Runs a sync and gives its one run.
    pub(super) async fn sync(&self, arguments: &str, status: i32) -> Json {
        let mut all = self.run(&format!("sync {arguments} --json")).await.json(status);
        let runs = all["runs"].as_array_mut().unwrap();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }

    /// The points of the only series of a metric.
    pub(super) async fn points(&self, arguments: &str) -> Vec<Json> {
        let view = self.json(&format!("get {arguments}")).await;
        assert_eq!(view["series"].as_array().unwrap().len(), 1, "{view}");
        view["series"][0]["points"].as_array().unwrap().clone()
    }
}

/// How the program ended, with what holds for every end checked.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    #[track_caller]
    pub(super) fn of(arguments: &str, output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let ended = Self { status: output.status.code().unwrap_or(-1), stdout, stderr };
        for (stream, name) in [(&ended.stdout, "stdout"), (&ended.stderr, "stderr")] {
            for secret in SECRETS {
                assert!(!stream.contains(secret), "{arguments}: a secret on {name}: {ended:?}");
            }
            for sign in ["panicked", "a fault in Dashtray", "RUST_BACKTRACE", "stack backtrace"] {
                assert!(!stream.contains(sign), "{arguments}: a panic on {name}: {ended:?}");
            }
        }
        assert!(matches!(ended.status, 0..=3), "{arguments}: {ended:?}");
        ended
    }

    /// Standard output, which is one JSON value and nothing else.
    #[track_caller]
    pub(super) fn json(&self, status: i32) -> Json {
        assert_eq!(self.status, status, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Code and sentence of an error in JSON.
    #[track_caller]
    pub(super) fn error(&self, status: i32) -> String {
        let json = self.json(status);
        super::has_keys(&json, "error");
        super::has_keys(&json["error"], "code message details");
        let message = super::text(&json["error"]["message"]);
        assert!(message.len() > 15, "a sentence, not {message:?}");
        format!("{}: {message}", super::text(&json["error"]["code"]))
    }
}
