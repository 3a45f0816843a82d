//! What went wrong where there is no answer to judge.

use std::{error::Error as StdError, io};

use rustls::CertificateError;

use super::address::Refused;

/// Why a call gave no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection: no route, no such name, refused, or closed before an answer began.
    Connect,
    /// Nothing came for too long, or the whole took too long.
    Timeout,
    /// The answer ended before its end.
    Cut,
    /// The server's certificate is not to be trusted; says why.
    Certificate(&'static str),
    /// The name leads to an address that may not be called; says what it is.
    Refused(&'static str),
    /// The answer is larger than allowed.
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The body is not in the encoding that it claims.
    Garbled,
}

impl Trouble {
    /// Classifies what the client reports. Its own texts are not used: they may hold URLs.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let mut next: Option<&(dyn StdError + 'static)> = error.source();
        while let Some(cause) = next {
            if let Some(found) = of_cause(cause) {
                return found;
            }
            next = cause.source();
        }
        if error.is_timeout() {
            return Self::Timeout;
        }
        if error.is_body() || error.is_decode() { Self::Cut } else { Self::Connect }
    }
}

fn of_cause(cause: &(dyn StdError + 'static)) -> Option<Trouble> {
    if let Some(refused) = cause.downcast_ref::<Refused>() {
        return Some(Trouble::Refused(refused.why));
    }
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return of_tls(tls);
    }
    // An io::Error gives its own cause's cause as its source, so that the one in between is found only here.
    let inner: &(dyn StdError + 'static) = cause.downcast_ref::<io::Error>()?.get_ref()?;
    of_cause(inner)
}

fn of_tls(error: &rustls::Error) -> Option<Trouble> {
    let rustls::Error::InvalidCertificate(reason) = error else { return None };
    Some(Trouble::Certificate(match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired; whoever runs the server has to renew it"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; check the clock of this machine"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name; check the address"
        }
        CertificateError::UnknownIssuer => "its issuer is not known here; see extra_ca_file in the configuration",
        CertificateError::BadSignature => "its signature is wrong",
        CertificateError::Revoked => "it was revoked",
        _ => "it is not acceptable",
    }))
}
