//! The browser of the company's user, as far as a sign-in needs one: it opens an address and says what it is shown.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

/// What an address leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The status of the answer.
    pub status: u16,
    /// Where the browser is sent.
    pub location: Option<Url>,
    /// What is shown.
    pub text: String,
}

/// Opens an address on this machine. Goes nowhere by itself.
pub async fn open(address: &Url) -> io::Result<Page> {
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what);
    let (Some(host), Some(port)) = (address.host_str(), address.port()) else {
        return Err(odd("the address names no port of this machine"));
    };
    let mut stream = TcpStream::connect((host, port)).await?;
    let query = address.query().map(|query| format!("?{query}")).unwrap_or_default();
    let request = format!("GET {}{query} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n", address.path());
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, text) = answer.split_once("\r\n\r\n").ok_or_else(|| odd("the answer has no end of its head"))?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let location =
        lines.filter_map(|line| line.split_once(": ")).find(|(name, _)| name.eq_ignore_ascii_case("location"));
    Ok(Page {
        status: status.ok_or_else(|| odd("the answer has no status"))?,
        location: location.and_then(|(_, to)| address.join(to).ok()),
        text: text.to_owned(),
    })
}

/// Opens the address of a sign-in, allows what is asked there, and goes where that leads. Gives the last page.
pub async fn allow(sign_in: &Url) -> io::Result<Page> {
    let mut allowed = sign_in.clone();
    allowed.query_pairs_mut().append_pair("consent", "allow");
    let answer = open(&allowed).await?;
    match &answer.location {
        Some(back) => open(back).await,
        None => Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("nobody is sent back: {}", answer.text))),
    }
}
