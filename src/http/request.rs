//! One request, and its answer.

use std::fmt::Write as _;

use bytes::Bytes;
use reqwest::{
    Method,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK},
};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    Error, Http, decode, link,
    page::{Next, Pages},
    send::Fetched,
    target::Target,
};

/// A request that is being built. Nothing is sent before [`Request::json`], [`Request::send`] or [`Pages::next`].
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) http: Http,
    pub(super) method: Method,
    pub(super) template: &'static str,
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Bytes>,
    pub(super) resource: Option<&'static str>,
    host: Option<&'static str>,
    pub(super) allow: Vec<u16>,
    pub(super) conditional: bool,
    /// Set while a list is read: the page's URL, in place of template and query.
    pub(super) page: Option<Url>,
    fault: Option<Error>,
}

/// A decoded answer.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The HTTP status: 200, or one that was allowed.
    pub status: u16,
    /// The decoded body.
    pub body: T,
    /// Whether the provider said that nothing changed and the body is the kept one.
    pub not_modified: bool,
    headers: HeaderMap,
    url: Url,
}

impl<T> Answer<T> {
    /// A header of the answer by its name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The URL that the `Link` header names for a relation such as `next` or `last`.
    pub fn link(&self, relation: &str) -> Option<String> {
        let values = self.headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
        values.filter_map(|value| link::find(value, relation, &self.url)).map(String::from).next()
    }
}

impl Request {
    pub(super) fn new(
        http: Http,
        method: Method,
        template: &'static str,
        body: Option<serde_json::Result<Vec<u8>>>,
    ) -> Self {
        let (body, fault) = match body.transpose() {
            Ok(body) => (body.map(Bytes::from), None),
            Err(_) => (None, Some(Error::internal("the request's body cannot be written as JSON"))),
        };
        Self {
            http,
            method,
            template,
            path: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
            body,
            resource: None,
            host: None,
            allow: Vec::new(),
            conditional: false,
            page: None,
            fault,
        }
    }

    /// Fills `{name}` of the path; the value is encoded as one segment. Use `{+name}` in the template where the value
    /// may hold slashes.
    #[must_use]
    pub fn path(mut self, name: &str, value: &str) -> Self {
        self.path.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a query parameter. A key may be added several times.
    #[must_use]
    pub fn query(mut self, key: &str, value: impl ToString) -> Self {
        self.query.push((key.to_owned(), value.to_string()));
        self
    }

    /// Sets a header, over the descriptor's.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Names the resource whose limit counts this request; without it, `core`.
    #[must_use]
    pub fn resource(mut self, name: &'static str) -> Self {
        self.resource = Some(name);
        self
    }

    /// Asks another of the service's hosts, which the descriptor names, over HTTPS.
    #[must_use]
    pub fn host(mut self, host: &'static str) -> Self {
        self.host = Some(host);
        self
    }

    /// Takes this status as an answer and not as an error; see [`Answer::status`]. Only for [`Request::send`].
    #[must_use]
    pub fn allow(mut self, status: u16) -> Self {
        self.allow.push(status);
        self
    }

    /// Keeps the answer with its validators and asks next time whether it changed.
    #[must_use]
    pub fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }

    /// Sends it and decodes JSON. An answer that does not decode is `invalid_response` and names the JSON path.
    pub async fn json<T: DeserializeOwned>(self) -> Result<Answer<T>, Error> {
        let fetched = self.fetch().await?;
        self.decoded(fetched)
    }

    /// Sends it and gives the body as it came. For statuses that were allowed, and for bodies that are no JSON.
    pub async fn send(self) -> Result<Answer<Vec<u8>>, Error> {
        let fetched = self.fetch().await?;
        let Fetched { status, headers, body, url, not_modified, keep } = fetched;
        if let Some(keep) = keep {
            self.http.keep(keep, body.clone());
        }
        Ok(Answer { status, body, not_modified, headers, url })
    }

    /// Reads a list page by page. `next` says from each page how the following one is asked for.
    pub fn pages<T, F>(self, next: F) -> Pages<T, F>
    where
        T: DeserializeOwned,
        F: FnMut(&Answer<T>) -> Result<Next, Error>,
    {
        Pages::new(self, next)
    }

    /// Decodes; what cannot be decoded is not kept either.
    pub(super) fn decoded<T: DeserializeOwned>(&self, fetched: Fetched) -> Result<Answer<T>, Error> {
        let Fetched { status, headers, body: bytes, url, not_modified, keep } = fetched;
        let body = decode::json(&headers, &bytes)
            .map_err(|error| error.with_status(status).context("endpoint", self.template))?;
        if let Some(keep) = keep {
            self.http.keep(keep, bytes);
        }
        Ok(Answer { status, body, not_modified, headers, url })
    }

    /// The logical URL.
    pub(super) fn url(&self, target: &Target) -> Result<Url, Error> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if let Some(page) = &self.page {
            return Ok(page.clone());
        }
        let mut url = match self.host {
            None => target.base().clone(),
            Some(host) => target.host(host)?,
        };
        let mut path = url.path().trim_end_matches('/').to_owned();
        for segment in self.template.trim_start_matches('/').split('/') {
            path.push('/');
            self.fill(segment, &mut path)?;
        }
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    /// Appends a segment of the template with its values.
    fn fill(&self, segment: &str, path: &mut String) -> Result<(), Error> {
        let mut rest = segment;
        let mut filled = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            let (name, behind) = after.split_once('}').unwrap_or((after, ""));
            filled.push_str(before);
            let (name, is_many) = name.strip_prefix('+').map_or((name, false), |name| (name, true));
            let given = self.path.iter().rev().find(|(key, _)| key == name);
            let Some((_, value)) = given else { return Err(wrong_path(name, "is missing")) };
            for (at, piece) in value.split(|c| is_many && c == '/').enumerate() {
                if matches!(piece, "" | "." | "..") {
                    return Err(wrong_path(name, "is empty or leads elsewhere"));
                }
                filled.push_str(if at > 0 { "/" } else { "" });
                encode_segment(piece, &mut filled);
            }
            rest = behind;
        }
        filled.push_str(rest);
        path.push_str(&filled);
        Ok(())
    }

    /// The headers of the descriptor and of this request, without the signature.
    pub(super) fn headers(&self, fixed: &[(String, String)]) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if self.body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let fixed = fixed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in fixed.chain(self.headers.iter().map(|(name, value)| (*name, value.as_str()))) {
            let parsed = HeaderName::try_from(name).ok().zip(HeaderValue::from_str(value).ok());
            let (name, value) = parsed
                .ok_or_else(|| Error::internal("a header of the request cannot be sent").context("header", name))?;
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

fn wrong_path(name: &str, what: &str) -> Error {
    Error::invalid_settings(format!("`{name}`, which is a part of the address, {what}"))
}

/// Appends a value with everything encoded that could mean something in a URL.
pub(super) fn encode_segment(value: &str, to: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            to.push(char::from(byte));
        } else {
            let _ = write!(to, "%{byte:02X}");
        }
    }
}
