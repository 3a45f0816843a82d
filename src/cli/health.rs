//! `dashtray health`

use std::{net::IpAddr, time::Duration};

use serde_json::json;
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
#[command(after_help = "Examples:\n  dashtray health\n  dashtray health --url http://127.0.0.1:9000")]
pub(super) struct Args {
    /// Where it is, http:// only [default: the configured address]
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let authority = match &args.url {
        Some(url) => authority(url)?,
        None => listening(invocation.config()),
    };
    let answer = tokio::time::timeout(Duration::from_secs(5), ask(&authority)).await;
    let problem = match answer {
        Ok(Ok(line)) if line.split(' ').nth(1) == Some("200") => None,
        Ok(Ok(line)) => Some(format!("it answered {}", line.chars().filter(|c| !c.is_control()).collect::<String>())),
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some("no answer within 5 seconds".to_owned()),
    };
    match problem {
        None => {
            invocation.out.show(&json!({"status": "ok"}), |_| format!("Dashtray answers at http://{authority}"))?;
            Ok(Done::All)
        }
        Some(problem) => {
            let message = format!("Dashtray does not answer at http://{authority}: {problem}");
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

/// The status line of the answer. HTTP/1.0 and no more: nothing else is needed, and `http` speaks to providers alone.
async fn ask(authority: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!("GET /healthz HTTP/1.0\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().chars().take(100).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_taken() {
        let of = |text: &str| authority(&text.parse().unwrap());
        assert_eq!(of("http://127.0.0.1:9000/x").unwrap(), "127.0.0.1:9000");
        assert_eq!(of("http://[::1]").unwrap(), "[::1]:80");
        assert_eq!(of("https://127.0.0.1").unwrap_err().exit, 2);
    }
}
