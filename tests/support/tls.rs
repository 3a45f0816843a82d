//! Servers behind TLS, with certificates of an authority of the test's own.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
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

/// An authority that a machine may trust.
pub(crate) struct Authority {
    pub(crate) pem: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, rcgen::Error> {
        // Somebody else of this process may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem().into_bytes();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// What a server of these names shows until the end of a year.
    pub(crate) fn server(&self, names: &[String], until: i32) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names.to_vec())?;
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 12, 31);
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer)?.der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der())?;
        Ok(Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?))
    }
}

/// Ends TLS before a server, with the certificate that it has at the time.
pub(crate) struct Door {
    pub(crate) at: SocketAddr,
    certificate: Arc<Mutex<Arc<ServerConfig>>>,
    _task: AbortOnDropHandle<()>,
}

impl Door {
    pub(crate) async fn before(front: &Url, certificate: Arc<ServerConfig>) -> std::io::Result<Self> {
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

    pub(crate) fn show(&self, certificate: Arc<ServerConfig>) {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = certificate;
    }
}
