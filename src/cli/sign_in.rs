//! Signing in at a provider from the command line: prints the address to open and waits for the browser to come back.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, time::timeout};

use super::{Invocation, failure::Failure, serve};
use crate::{
    app::App,
    connections::{self, SignInError, SignInFor, SignInRequest, SignedIn},
    integrations::catalogue::COMMAND_LINE_REDIRECT,
    web::Callbacks,
};

/// Where the browser comes back to. Registered at the provider to the letter, so it cannot be chosen.
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8573);
/// A little longer than a sign-in may take.
const LONGEST_WAIT: Duration = Duration::from_secs(3_660);

/// Signs in for a purpose and gives what became of it.
pub(super) async fn sign_in(
    invocation: &Invocation,
    app: &App,
    project: &str,
    purpose: SignInFor,
) -> Result<SignedIn, Failure> {
    let request =
        SignInRequest { project: project.to_owned(), redirect_uri: COMMAND_LINE_REDIRECT.to_owned(), purpose };
    let begun = app.connections.begin_sign_in(request).await?;
    let mut callbacks = Callbacks::on(bind().await?);
    let text = format!("Open this address in a browser and allow access:\n\n{}\n", begun.url);
    // Of JSON output nothing else may stand on stdout.
    if invocation.out.json {
        invocation.out.note(&text);
    } else {
        invocation.out.print(&text)?;
    }
    invocation.out.note(&format!(
        "Waiting for the browser to come back to http://{LOOPBACK} (Ctrl-C to cancel). Of a browser on another machine \
         forward the port: ssh -L {port}:{LOOPBACK} HOST",
        port = LOOPBACK.port()
    ));
    let ended = tokio::select! {
        ended = timeout(LONGEST_WAIT, wait(invocation, app, &mut callbacks)) => ended,
        () = serve::asked_to_stop() => Ok(Err(Failure::failed("cancelled", "cancelled; nothing was saved"))),
    };
    callbacks.close().await;
    ended.unwrap_or_else(|_| Err(connections::Error::from(SignInError::Late).into()))
}

/// Until the sign-in comes back. Others, such as a tab of an earlier one, are told so and change nothing.
async fn wait(invocation: &Invocation, app: &App, callbacks: &mut Callbacks) -> Result<SignedIn, Failure> {
    while let Some(arrival) = callbacks.next().await {
        let finished = app.connections.finish_sign_in(arrival.callback.clone()).await;
        let sentence = match &finished {
            Ok(signed_in) => Ok(format!(
                "{} is connected as \"{}\". You can close this page.",
                signed_in.view.account.label, signed_in.view.name
            )),
            Err(error) => Err(error.to_string()),
        };
        arrival.answer(sentence);
        match finished {
            Ok(signed_in) => return Ok(signed_in),
            Err(connections::Error::SignIn(stray @ (SignInError::Unknown | SignInError::Used))) => {
                invocation.out.note(&format!("a browser came back with another sign-in: {stray}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::failed("internal", "the address for the browser is closed"))
}

async fn bind() -> Result<TcpListener, Failure> {
    TcpListener::bind(LOOPBACK).await.map_err(|error| {
        let what = match error.kind() {
            std::io::ErrorKind::AddrInUse => "is in use; end the other sign-in, or the program that has it".to_owned(),
            _ => format!("cannot be listened on: {error}"),
        };
        Failure::failed("cannot_listen", format!("{LOOPBACK}, where the browser comes back to, {what}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::CALLBACK_PATH;

    #[test]
    fn the_browser_comes_back_to_where_is_listened() {
        assert_eq!(COMMAND_LINE_REDIRECT, format!("http://{LOOPBACK}{CALLBACK_PATH}"));
    }
}
