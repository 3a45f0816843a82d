//! The whole program behind an address of its own.

use dashtray::{
    app::App,
    config::{Config, Flags},
    integrations::Registry,
    secret::Secret,
    users::{Account, Browser},
    web,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub(crate) const EMAIL: &str = "ada@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Dashtray over an empty directory.
pub(crate) struct Site {
    pub(crate) app: App,
    pub(crate) host: String,
    stop: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
    _directory: TempDir,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::start_with(Registry::builtin()).await
    }

    /// The same with other integrations.
    pub(crate) async fn start_with(registry: Registry) -> Self {
        Self::start_over(registry, |_| {}).await
    }

    /// The same with what an operator would set.
    pub(crate) async fn start_over(registry: Registry, set: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let flags = Flags { data_dir: Some(directory.path().to_owned()), ..Flags::default() };
        let mut config = Config::load(&flags).unwrap().config;
        set(&mut config);
        let app = App::open(config, registry).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let server = tokio::spawn(web::serve(listener, app.clone(), stop.clone()));
        Self { app, host, stop, server, _directory: directory }
    }

    /// The same with an account.
    pub(crate) async fn with_account() -> Self {
        Self::start().await.joined_by_ada().await
    }

    /// The same, and from then on there is an account.
    pub(crate) async fn joined_by_ada(self) -> Self {
        let token = self.app.users.set_up_token().await.unwrap().unwrap();
        let account = Account { email: EMAIL.into(), name: "Ada Lovelace".into(), password: Secret::new(PASSWORD) };
        self.app.users.set_up(&token, account, Browser::default()).await.unwrap();
        self
    }

    /// Runs from now on what is due, as `serve` does.
    pub(crate) fn work(&self) {
        let (sync, stop) = (self.app.sync.clone(), self.stop.clone());
        tokio::spawn(async move { sync.work(stop).await });
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }

    /// A link that signs somebody in once, when its page's button is pressed.
    pub(crate) async fn link(&self, email: &str) -> String {
        let user = self.app.users.find(email).await.unwrap();
        let token = self.app.users.sign_in_token(&user).await.unwrap();
        self.url(&format!("/login/link?token={}", token.expose()))
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.server.await.unwrap().unwrap();
    }
}
