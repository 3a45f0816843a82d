//! From texts to types.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use jiff::Timestamp;
use url::Url;

use super::{Config, Error, Network, cut, layers::Layer};
use crate::{http::OAuthClient, secret::Secret};

/// Typed reading of the joined layers.
pub(super) struct Values<'a>(pub(super) &'a Layer);

impl Values<'_> {
    pub(super) fn config(
        &self,
        provider_urls: BTreeMap<String, Url>,
        now: Option<Timestamp>,
        oauth_clients: BTreeMap<String, OAuthClient>,
    ) -> Result<Config, Error> {
        let data_dir: PathBuf = self.read("data_dir", "a directory")?;
        let database_url = match (self.given("database_url"), self.given("database_url_file")) {
            (Some(url), _) => Secret::new(url),
            (None, Some(path)) => read_secret("database_url_file", Path::new(path))?,
            (None, None) => Config::sqlite_url(&data_dir),
        };
        let web = "an address such as https://metrics.example.com or https://example.com/metrics";
        let public_url: Option<Url> = self.optional("public_url", web)?;
        if public_url.as_ref().is_some_and(|url| !is_plain(url)) {
            return Err(self.wrong("public_url", web));
        }
        let workers: u16 = self.read("workers", "a whole number from 1 to 256")?;
        if !(1..=256).contains(&workers) {
            return Err(self.wrong("workers", "a whole number from 1 to 256"));
        }
        Ok(Config {
            listen: self.read("listen", "an address with a port, such as 127.0.0.1:8080")?,
            data_dir,
            database_url,
            public_url,
            trusted_proxies: self.networks("trusted_proxies")?,
            metrics: self.read("metrics", "true or false")?,
            metrics_networks: self.networks("metrics_networks")?,
            log_filter: self.optional("log_filter", "a filter")?,
            log_format: self.read("log_format", "text or json")?,
            allow_private_hosts: self.read("allow_private_hosts", "true or false")?,
            extra_ca_file: self.optional("extra_ca_file", "a file")?,
            workers,
            api_requests_per_hour: self.read("api_requests_per_hour", "a whole number")?,
            keep_runs_days: self.days("keep_runs_days", 0)?,
            keep_restatements_days: self.days("keep_restatements_days", 0)?,
            keep_audit_days: self.days("keep_audit_days", 0)?,
            keep_answers_days: self.days("keep_answers_days", 1)?,
            master_key: self.given("master_key").map(Secret::new),
            master_key_file: self.optional("master_key_file", "a file")?,
            backup_keep: self.read("backup_keep", "a whole number")?,
            backup_dir: self.optional("backup_dir", "a directory")?,
            connect_timeout: self.seconds("connect_timeout_secs")?,
            read_timeout: self.seconds("read_timeout_secs")?,
            answer_timeout: self.seconds("answer_timeout_secs")?,
            oauth_clients,
            provider_urls,
            now,
        })
    }

    fn given(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|(value, _)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn optional<T: FromStr>(&self, key: &str, expected: &str) -> Result<Option<T>, Error> {
        self.given(key).map(|text| text.parse().map_err(|_| self.wrong(key, expected))).transpose()
    }

    fn read<T: FromStr>(&self, key: &str, expected: &str) -> Result<T, Error> {
        self.optional(key, expected)?.ok_or_else(|| self.wrong(key, expected))
    }

    fn networks(&self, key: &str) -> Result<Vec<Network>, Error> {
        let listed = self.given(key).unwrap_or_default().split(',').map(str::trim).filter(|one| !one.is_empty());
        let expected = "a list of addresses and networks such as 127.0.0.1, 10.0.0.0/8, ::1";
        listed.map(|one| one.parse().map_err(|()| self.wrong(key, expected))).collect()
    }

    fn seconds(&self, key: &str) -> Result<Duration, Error> {
        let expected = "a number of seconds from 1 to 3600";
        let seconds: u64 = self.read(key, expected)?;
        if !(1..=3600).contains(&seconds) {
            return Err(self.wrong(key, expected));
        }
        Ok(Duration::from_secs(seconds))
    }

    fn days(&self, key: &str, least: u32) -> Result<u32, Error> {
        let expected = format!("a number of days from {least} to 36500");
        let days: u32 = self.read(key, &expected)?;
        if (least..=36_500).contains(&days) { Ok(days) } else { Err(self.wrong(key, &expected)) }
    }

    fn wrong(&self, key: &str, expected: &str) -> Error {
        match self.0.get(key) {
            Some((value, origin)) => Error(format!("{key} ({origin}): \"{}\" is not {expected}", cut(value))),
            None => Error(format!("{key} is missing; give {expected}")),
        }
    }
}

/// An address that others can be put under: nothing of a page in it, and a path of plain names.
fn is_plain(url: &Url) -> bool {
    let is_name = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    };
    let path = url.path().trim_end_matches('/');
    matches!(url.scheme(), "http" | "https")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
        && path.split('/').skip(1).all(is_name)
}

/// A secret that lies in a file.
pub(super) fn read_secret(key: &str, path: &Path) -> Result<Secret, Error> {
    let text = std::fs::read_to_string(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|error| Error(format!("{key}: {} cannot be read: {error}", path.display())))?;
    Ok(Secret::new(text.trim()))
}
