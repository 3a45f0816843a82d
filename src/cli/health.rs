//! `dashtray health`

use std::{net::IpAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

use super::{
    Invocation,
    failure::{Done, Failure},
};
use crate::config::Config;

/// Ask whether a running Dashtray answers
///
/// Exits with 0 when it does and with 1 when it does not: for container health checks without a shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  dashtray health\n  dashtray health --ready\n  dashtray health --url http://127.0.0.1:9000"
)]
pub(super) struct Args {
    /// Ask also whether its database and its scheduler are well
    #[arg(long)]
    ready: bool,
    /// Where it is, http:// only [default: the configured address]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let authority = match &args.url {
        Some(url) => authority(url)?,
        None => listening(invocation.config()),
    };
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let answer = tokio::time::timeout(Duration::from_secs(5), ask(&authority, path)).await;
    let problem = match answer {
        Ok(Ok(text)) => problem(&text),
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer within 5 seconds".to_owned()),
    };
    match problem {
        None => {
            invocation.out.show(&json!({"status": "ok"}), |_| format!("Dashtray answers at http://{authority}"))?;
            Ok(Done::All)
        }
        Some(problem) => {
            let message = format!("Dashtray is not well at http://{authority}: {problem}");
            Err(Failure::failed("unhealthy", message))
        }
    }
}

fn authority(url: &Url) -> Result<String, Failure> {
    match (url.scheme(), url.host_str(), url.port_or_known_default()) {
        ("http", Some(host), Some(port)) => Ok(format!("{host}:{port}")),
        _ => Err(Failure::usage("bad_url", "--url takes an address such as http://127.0.0.1:8080")),
    }
}

/// Where this configuration's server is to be found: one that listens everywhere also does on loopback.
fn listening(config: &Config) -> String {
    let mut address = config.listen;
    if address.ip().is_unspecified() {
        let loopback: IpAddr = match address.ip() {
            IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address.to_string()
}

/// What an answer says is wrong; nothing where all is well.
fn problem(answer: &str) -> Option<String> {
    let line: String =
        answer.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(100).collect();
    if line.split(' ').nth(1) == Some("200") {
        return None;
    }
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let failed = body["checks"].as_array().into_iter().flatten().filter(|check| check["ok"] == false);
    let each: Vec<String> = failed
        .filter_map(|check| Some(format!("the {} {}", check["id"].as_str()?, check["message"].as_str()?)))
        .collect();
    Some(if each.is_empty() { format!("it answered {line}") } else { each.join("; ") })
}

/// The whole answer. HTTP/1.0 and no more: nothing else is needed, and `http` speaks to providers alone.
async fn ask(authority: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(problem("HTTP/1.0 200 OK\r\n\r\n{}"), None);
        assert_eq!(problem("HTTP/1.0 502 Bad Gateway\r\n\r\n<p>").unwrap(), "it answered HTTP/1.0 502 Bad Gateway");
        let failed = r#"{"checks":[{"id":"database","ok":true,"message":"answers"},
            {"id":"scheduler","ok":false,"message":"was not started yet"}]}"#;
        let answer = format!("HTTP/1.0 503 Service Unavailable\r\nx: y\r\n\r\n{failed}");
        assert_eq!(problem(&answer).unwrap(), "the scheduler was not started yet");
        assert!(problem("").unwrap().starts_with("it answered"));
    }

    #[test]
    fn only_plain_addresses_are_taken() {
        let of = |text: &str| authority(&text.parse().unwrap());
        assert_eq!(of("http://127.0.0.1:9000/x").unwrap(), "127.0.0.1:9000");
        assert_eq!(of("http://[::1]").unwrap(), "[::1]:80");
        assert_eq!(of("https://127.0.0.1").unwrap_err().exit, 2);
    }
}
