//! A provider whose certificate expires, and is renewed.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use dashtray::{
    http::{ClientConfig, Service},
    integrations::Settings,
    sync::RunStatus,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::{
    conformance::{
        checks::kills::same,
        machine::{Machine, hurried},
        stand::{Account, Stand},
    },
    support::{database::Database, summary::tell},
};

/// The authority that the machine trusts.
struct Authority {
    pem: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem().into_bytes();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// What a server of these names shows until the end of a year.
    fn server(&self, names: &[String], until: i32) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 12, 31);
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer)?.der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        Ok(Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?))
    }
}

/// Ends TLS before the front, with the certificate that it has at the time.
struct Door {
    at: SocketAddr,
    certificate: Arc<Mutex<Arc<ServerConfig>>>,
    _task: AbortOnDropHandle<()>,
}

impl Door {
    async fn before(front: &Url, certificate: Arc<ServerConfig>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let at = listener.local_addr()?;
        let certificate = Arc::new(Mutex::new(certificate));
        let (shown, behind) = (certificate.clone(), front.socket_addrs(|| None)?[0]);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let config = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
                tokio::spawn(async move {
                    // Whoever does not accept the certificate hangs up, which is what is tried here.
                    let mut outer = TlsAcceptor::from(config).accept(stream).await?;
                    let mut inner = TcpStream::connect(behind).await?;
                    inner.set_nodelay(true)?;
                    copy_bidirectional(&mut outer, &mut inner).await
                });
            }
        });
        Ok(Self { at, certificate, _task: AbortOnDropHandle::new(task) })
    }

    fn show(&self, certificate: Arc<ServerConfig>) {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = certificate;
    }
}

/// All hosts that requests go to, those for tokens among them.
fn hosts(service: &Service) -> Vec<String> {
    let tokens = [
        service.auth.oauth().map(|oauth| oauth.token_url.as_str()),
        service.auth.service_account().map(|account| account.token_url.as_str()),
    ];
    let of_tokens = tokens.into_iter().flatten().filter_map(|url| Url::parse(url).ok()?.host_str().map(str::to_owned));
    let mut hosts: Vec<String> = service.hosts.iter().cloned().chain(of_tokens).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

pub(crate) async fn certificate_expires(stand: &Stand) -> Result<(), String> {
    let shown = |error: &dyn std::fmt::Display| error.to_string();
    let descriptor = stand.integration.descriptor();
    let settings = Settings::parse(&descriptor.settings, &stand.settings).map_err(|error| format!("{error:?}"))?;
    let service = descriptor.service(&settings, None).map_err(|error| shown(&error))?;
    let base = service.base_url.clone();
    let names = hosts(&service);
    ensure!(base.host_str().is_some_and(|name| names.iter().any(|known| known == name)), "the provider has no name");
    ensure!(base.scheme() == "https", "{} is not secure", base);

    let mut machine = Machine::new(stand, Account::Busy).await?;
    let authority = Authority::new().map_err(|error| shown(&error))?;
    let certificate = |until| authority.server(&names, until).map_err(|error| shown(&error));
    let door = Door::before(&machine.front.url, certificate(2090)?).await.map_err(|error| shown(&error))?;
    machine.front.is_known_as(base.as_str().trim_end_matches('/'));
    machine.address = None;
    machine.client = ClientConfig {
        extra_ca: vec![authority.pem.clone()],
        only_extra_ca: true,
        resolve: names.iter().map(|name| (name.clone(), door.at)).collect(),
        ..machine.client
    };

    let base = machine.connected(Database::sqlite().await).await?;
    let undisturbed = base.as_it_lies();
    machine.catches_up(&undisturbed).await?;
    machine.front.take();

    let database = base.as_it_lies();
    door.show(certificate(2001)?);
    for run in 1..=2 {
        let process = machine.process(&database).await;
        let run_view = hurried(machine.sync(&process)).await?;
        process.store.close().await;
        ensure!(run_view.status == RunStatus::Failed, "run {run} ends {}", run_view.status.name());
        let error = run_view.error.map(|error| error.message).unwrap_or_default();
        ensure!(error.contains("certificate") && error.contains("expired"), "run {run} says {error}");
        ensure!(machine.asked() == 0, "something was sent in run {run}");
    }
    door.show(certificate(2090)?);
    let runs = machine.catches_up(&database).await?;
    same(&undisturbed.figures().await, &database.figures().await)?;
    tell(format_args!("{}: an expired certificate in two runs, renewed: read in {runs}, same figures", descriptor.id));
    Ok(())
}
