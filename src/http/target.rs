//! Where a request may go: the provider's hosts, HTTPS, and the override of tests and sandboxes.
//!
//! A *logical* URL is the provider's own; it names the request in paging, redirects and kept answers. The *actual* one is
//! what is called: the same, unless the service has an override.

use url::{Host, Url};

use super::{
    Error, Service,
    address::{AddressRules, is_loopback},
};

/// The rules for one service.
#[derive(Debug)]
pub(super) struct Target {
    base: Url,
    hosts: Vec<String>,
    replacement: Option<Url>,
    /// Set where the base URL is a user's, so that addresses are judged.
    rules: Option<AddressRules>,
}

impl Target {
    /// Checks the service's addresses.
    pub(super) fn new(service: &Service, rules: AddressRules) -> Result<Self, Error> {
        let replacement = service.override_url.clone();
        match &replacement {
            Some(url) if !url.host().as_ref().is_some_and(is_loopback) || !is_web(url) => {
                return Err(Error::invalid_settings(
                    "the provider URL override must be an http or https URL of a loopback address",
                ));
            }
            Some(_) => {}
            None => check_base(&service.base_url, service.user_given_url.then_some(rules))?,
        }
        let rules = (service.user_given_url && replacement.is_none()).then_some(rules);
        Ok(Self { base: service.base_url.clone(), hosts: service.hosts.clone(), replacement, rules })
    }

    /// Whether resolved addresses are judged.
    pub(super) fn is_judged(&self) -> bool {
        self.rules.is_some()
    }

    /// Where paths start.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// The root of another host of the service.
    pub(super) fn host(&self, host: &str) -> Result<Url, Error> {
        let undeclared =
            |_| Error::internal("a request names a host that the descriptor does not").context("host", host);
        let root = Url::parse(&format!("https://{host}")).map_err(|_| undeclared(""))?;
        self.admit(root).map_err(undeclared)
    }

    /// Brings a URL that came from the provider to its logical form, or says why it may not be called.
    pub(super) fn admit(&self, mut url: Url) -> Result<Url, &'static str> {
        url.set_fragment(None);
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it carries a user name");
        }
        if self.replacement.as_ref().is_some_and(|to| is_same_origin(to, &url)) {
            url = moved(&url, &self.base);
        }
        let Some(host) = url.host() else { return Err("it has no host") };
        if let Some(why) = self.rules.and_then(|rules| rules.refuses_literal(&host)) {
            return Err(why);
        }
        if is_same_origin(&self.base, &url) {
            return Ok(url);
        }
        if url.scheme() != "https" {
            return Err("it is not an https URL");
        }
        let is_known = |host: &str| {
            self.base
                .host_str()
                .into_iter()
                .chain(self.hosts.iter().map(String::as_str))
                .any(|h| h.eq_ignore_ascii_case(host))
        };
        match url.host_str() {
            Some(host) if is_known(host) && url.port().is_none() => Ok(url),
            _ => Err("it leads to another host"),
        }
    }

    /// What is called for a logical URL.
    pub(super) fn actual(&self, logical: &Url) -> Url {
        match &self.replacement {
            Some(to) => moved(logical, to),
            None => logical.clone(),
        }
    }
}

/// What is called for a logical URL of a service that is not under its base.
pub(super) fn actual_of(service: &Service, logical: &Url) -> Url {
    match &service.override_url {
        Some(to) => moved(logical, to),
        None => logical.clone(),
    }
}

/// Whether what is sent there is seen by nobody on the way.
pub(super) fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && url.host().as_ref().is_some_and(is_loopback))
}

/// Whether scheme, host and port are the same.
pub(super) fn is_same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

fn check_base(base: &Url, rules: Option<AddressRules>) -> Result<(), Error> {
    let Some(host) = base.host().filter(|_| is_web(base)) else {
        return Err(Error::invalid_settings("the address must be an https URL"));
    };
    if !base.username().is_empty() || base.password().is_some() {
        return Err(Error::invalid_settings("the address must not carry a user name or password"));
    }
    if base.scheme() == "http" && !is_loopback(&host) {
        return Err(Error::invalid_settings("the address must be an https URL; http is for this machine alone"));
    }
    // A name is judged when it is resolved; this finds what never asks a resolver.
    let refused = match (&host, rules) {
        (Host::Domain(_), _) | (_, None) => None,
        (_, Some(rules)) => rules.refuses_literal(&host),
    };
    refused.map_or(Ok(()), |why| Err(refusal(why)))
}

/// The error for an address that the rules refuse.
pub(super) fn refusal(why: &str) -> Error {
    Error::invalid_settings(format!(
        "the address leads to {why}; set allow_private_hosts in the configuration if that is meant"
    ))
}

/// The URL at another scheme, host and port. Path and query stay.
fn moved(url: &Url, to: &Url) -> Url {
    let mut moved = to.clone();
    moved.set_path(url.path());
    moved.set_query(url.query());
    moved.set_fragment(None);
    moved
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::{Auth, Limits};

    const STRICT: AddressRules = AddressRules { allow_private: false };

    fn service(base: &str, user_given_url: bool, replacement: Option<&str>) -> Service {
        Service {
            id: "acme".into(),
            base_url: base.parse().unwrap(),
            hosts: vec!["files.acme.example".into()],
            user_given_url,
            headers: Vec::new(),
            auth: Auth::Bearer { field: "key".into() },
            limits: Limits {
                windows: Vec::new(),
                concurrent: 1,
                headers: None,
                wait_unless_said: Duration::from_secs(1),
            },
            exceptions: Vec::new(),
            override_url: replacement.map(|url| url.parse().unwrap()),
        }
    }

    #[test]
    fn refuses_base_urls_that_are_not_safe() {
        for (base, user_given, replacement, expected) in [
            ("https://api.acme.example", true, None, true),
            ("http://api.acme.example", true, None, false),
            ("http://api.acme.example", false, None, false),
            ("http://127.0.0.1:90", false, None, true),
            ("http://127.0.0.1:90", true, None, false),
            ("https://2130706433", true, None, false),
            ("https://[::ffff:10.0.0.1]", true, None, false),
            ("https://user@api.acme.example", true, None, false),
            ("ftp://api.acme.example", false, None, false),
            ("https://10.0.0.1", true, Some("http://127.0.0.1:9105"), true),
            ("https://api.acme.example", false, Some("http://localhost:9105"), true),
            ("https://api.acme.example", false, Some("http://10.0.0.1:9105"), false),
            ("https://api.acme.example", false, Some("https://sandbox.example"), false),
            ("https://api.acme.example", false, Some("ftp://127.0.0.1"), false),
        ] {
            let made = Target::new(&service(base, user_given, replacement), STRICT);
            assert_eq!(made.is_ok(), expected, "{base} {user_given} {replacement:?}");
        }
        let lifted = AddressRules { allow_private: true };
        assert!(Target::new(&service("https://10.0.0.1", true, None), lifted).is_ok());
        assert!(Target::new(&service("http://10.0.0.1", true, None), lifted).is_err());
    }

    #[test]
    fn admits_the_declared_hosts_alone() {
        let target = Target::new(&service("https://api.acme.example:8443/v1", true, None), STRICT).unwrap();
        for (url, expected) in [
            ("https://api.acme.example:8443/x", true),
            ("https://api.acme.example/x", true),
            ("https://API.acme.example/x#part", true),
            ("https://files.acme.example/x", true),
            ("https://files.acme.example:8443/x", false),
            ("http://api.acme.example:8443/x", false),
            ("http://files.acme.example/x", false),
            ("https://api.acme.example.evil.example/x", false),
            ("https://evil.example/x", false),
            ("https://api.acme.example@evil.example/x", false),
            ("https://me:pw@api.acme.example/x", false),
            ("https://127.0.0.1/x", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(target.admit(url.parse().unwrap()).is_ok(), expected, "{url}");
        }
    }

    #[test]
    fn an_override_replaces_the_origin_and_is_understood_on_the_way_back() {
        let overridden = service("https://api.acme.example/v1", false, Some("http://127.0.0.1:9105"));
        let target = Target::new(&overridden, STRICT).unwrap();
        let logical: Url = "https://api.acme.example/v1/things?page=2".parse().unwrap();
        assert_eq!(target.actual(&logical).as_str(), "http://127.0.0.1:9105/v1/things?page=2");
        let back: Url = "http://127.0.0.1:9105/v1/things?page=2".parse().unwrap();
        assert_eq!(target.admit(back), Ok(logical.clone()));
        assert_eq!(target.admit(logical.clone()), Ok(logical));
        assert!(target.admit("http://127.0.0.1:9106/v1/things".parse().unwrap()).is_err());
    }
}
