//! Somebody who asks for pages without a browser's manners.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::form_urlencoded;

use crate::support::site::Site;

/// What is waited for comes within this, or never.
const PATIENCE: Duration = Duration::from_secs(30);

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The address of the page of a connection of that name, on the page that lists them.
    pub(crate) fn connection(&self, name: &str) -> String {
        let found = self.body.split("href=\"").find(|rest| rest.contains(&format!("\">{name}</a>")));
        found.unwrap_or_else(|| panic!("no {name}: {}", self.body)).split('"').next().unwrap().to_owned()
    }

    /// Where the page hears of changes, and how far it knows what it shows.
    pub(crate) fn stage(&self) -> (String, String) {
        let value = |name: &str| {
            let rest = self.body.split(&format!("data-{name}=\"")).nth(1);
            rest.unwrap_or_else(|| panic!("no {name}: {}", self.body)).split('"').next().unwrap().to_owned()
        };
        (value("live"), value("seen"))
    }

    /// The value of a hidden field.
    pub(crate) fn hidden(&self, name: &str) -> String {
        let rest = self.body.split(&format!("name=\"{name}\" value=\"")).nth(1);
        rest.unwrap_or_else(|| panic!("no {name}: {}", self.body)).split('"').next().unwrap().to_owned()
    }

    /// What forms of this page carry.
    pub(crate) fn csrf(&self) -> String {
        let rest = self.body.split("name=\"csrf\" value=\"").nth(1).unwrap_or_else(|| panic!("no form: {}", self.body));
        rest.split('"').next().unwrap().to_owned()
    }
}

/// Who asks; with a cookie if they are signed in.
pub(crate) struct Visitor {
    host: String,
    cookie: String,
}

impl Visitor {
    pub(crate) fn stranger(site: &Site) -> Self {
        Self { host: site.host.clone(), cookie: String::new() }
    }

    /// Nobody that the process at this address knows.
    pub(crate) fn stranger_at(host: &str) -> Self {
        Self { host: host.to_owned(), cookie: String::new() }
    }

    /// Somebody who signs in by password, at an address such as `127.0.0.1:8080`.
    pub(crate) async fn by_password(host: &str, email: &str, password: &str) -> Self {
        let mut visitor = Self::stranger_at(host);
        let answer = visitor.post("/login", &[("email", email), ("password", password)]).await;
        visitor.cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        assert!(visitor.cookie.starts_with("dashtray="), "{answer:?}");
        visitor
    }

    /// The same browser, sent to another process.
    pub(crate) fn at(&self, host: &str) -> Self {
        Self { host: host.to_owned(), cookie: self.cookie.clone() }
    }

    /// The same with the cookie of an answer.
    pub(crate) fn with_cookie(&self, set: &str) -> Self {
        Self { host: self.host.clone(), cookie: set.split(';').next().unwrap_or_default().to_owned() }
    }

    /// Signs in with what a link holds.
    pub(crate) async fn signs_in(&mut self, token: &str) -> Answer {
        let answer = self.post("/login/link", &[("token", token)]).await;
        self.cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        assert!(self.cookie.starts_with("dashtray="), "{answer:?}");
        answer
    }

    /// What the cookie holds.
    pub(crate) fn session(&self) -> &str {
        self.cookie.strip_prefix("dashtray=").unwrap_or_default()
    }

    pub(crate) async fn signed_in(site: &Site, email: &str) -> Self {
        let mut visitor = Self::stranger(site);
        let link = site.link(email).await;
        let (_, token) = link.split_once("token=").unwrap();
        visitor.signs_in(token).await;
        visitor
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    /// A form as the page sends it that holds it.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let origin = format!("Origin: http://{}", self.host);
        self.ask("POST", path, &[&origin, FORM], &form(fields)).await
    }

    /// The first bytes of an answer that does not end by itself, until they hold these words.
    pub(crate) async fn hears(&self, path: &str, words: &[&str]) -> String {
        let heard = self.listen(path, |heard| words.iter().all(|word| heard.contains(word))).await;
        assert!(words.iter().all(|word| heard.contains(word)), "it ends with {heard}");
        heard
    }

    /// All of an answer that somebody else ends.
    pub(crate) async fn hears_to_the_end(&self, path: &str) -> String {
        self.listen(path, |_| false).await
    }

    /// An answer as far as it comes until it is enough.
    pub(crate) async fn listen(&self, path: &str, is_enough: impl Fn(&str) -> bool) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", self.host, self.cookie);
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let (mut heard, mut buffer) = (String::new(), [0; 4096]);
        let all = async {
            while !is_enough(&heard) {
                match stream.read(&mut buffer).await.unwrap() {
                    0 => break,
                    read => heard.push_str(&String::from_utf8_lossy(&buffer[..read])),
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, all).await.is_ok();
        assert!(in_time, "nothing more comes after {heard}");
        heard
    }

    /// Status and headers of an answer that does not end by itself.
    pub(crate) async fn head(&self, path: &str) -> Answer {
        answer(&self.listen(path, |heard| heard.contains("\r\n\r\n")).await)
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.host);
        if !self.cookie.is_empty() {
            request.push_str(&format!("Cookie: {}\r\n", self.cookie));
        }
        headers.iter().for_each(|header| request.push_str(&format!("{header}\r\n")));
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        // What is too large is refused before all of it is read.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("\r\n\r\n"), "no answer to {method} {path}: {text}");
        answer(&text)
    }
}

fn answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Answer { status, headers, body: body.to_owned() }
}

pub(crate) const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
