//! Signing in at a provider from the command line: prints the address to open and waits for the browser to come back.

use std::{net::SocketAddr, time::Duration};

use tokio::{net::TcpListener, time::timeout};
use url::Url;

use super::{Invocation, credentials, failure::Failure, output, serve};
use crate::{
    app::App,
    connections::{self, Allowed, SignInError, SignInFor, SignInRequest, SignedIn},
    integrations::catalogue::COMMAND_LINE_REDIRECT,
    metric::FailureKind,
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
        ended = timeout(LONGEST_WAIT, wait(invocation, app, &mut callbacks, &begun.url)) => ended,
        () = serve::asked_to_stop() => Ok(Err(Failure::failed("cancelled", "cancelled; nothing was saved"))),
    };
    callbacks.close().await;
    ended.unwrap_or_else(|_| Err(connections::Error::from(SignInError::Late).into()))
}

/// Until the sign-in that this address began comes back. Others, such as a tab of an earlier one, are told what became of
/// theirs and end nothing here.
pub(super) async fn wait(
    invocation: &Invocation,
    app: &App,
    callbacks: &mut Callbacks,
    address: &Url,
) -> Result<SignedIn, Failure> {
    let ours = address.query_pairs().find(|(key, _)| key == "state").map(|(_, state)| state);
    while let Some(arrival) = callbacks.next().await {
        let is_ours = arrival.callback.state.as_ref().is_some_and(|state| Some(state.expose()) == ours.as_deref());
        let redeemed = app.connections.redeem_sign_in(arrival.callback.clone()).await;
        let (mut allowed, finished) = match redeemed {
            Ok(mut allowed) => {
                let finished = app.connections.settle_sign_in(&mut allowed).await;
                (Some(allowed), finished)
            }
            Err(error) => (None, Err(error)),
        };
        arrival.answer(match &finished {
            Ok(signed_in) => Ok(connected(signed_in)),
            Err(error) if output::is_interactive() && is_choice(error, allowed.as_ref()) => {
                Err(format!("{error}. Go back to the terminal, which asks for it now"))
            }
            Err(error) => Err(error.to_string()),
        });
        match finished {
            Ok(signed_in) => return Ok(signed_in),
            Err(error) if !is_ours => {
                invocation.out.note(&format!("a browser came back with another sign-in: {error}"));
            }
            Err(error) => return choose(app, allowed.as_mut(), error).await,
        }
    }
    Err(Failure::failed("internal", "the address for the browser is closed"))
}

fn connected(signed_in: &SignedIn) -> String {
    let view = &signed_in.view;
    format!("{} is connected as \"{}\". You can close this page.", view.account.label, view.name)
}

/// Where nothing but a setting of a new connection is wrong, and there is somebody to ask, it is asked for: nobody has to
/// sign in twice to be told what there is to choose from.
async fn choose(
    app: &App,
    mut allowed: Option<&mut Allowed>,
    mut error: connections::Error,
) -> Result<SignedIn, Failure> {
    loop {
        let Some(allowed) = allowed.as_deref_mut().filter(|allowed| is_choice(&error, Some(&**allowed))) else {
            return Err(error.into());
        };
        let descriptor = app.registry.get(allowed.integration_id()).map_err(connections::Error::from)?.descriptor();
        let Some(settings) = credentials::choose_settings(&error.to_string(), &descriptor)? else {
            let failure = Failure::from(error);
            let how = "give it with --credentials FILE, or - for stdin, as {\"settings\":{…}}, and sign in again";
            return Err(Failure { message: format!("{}; {how}", failure.message), ..failure });
        };
        allowed.choose(settings);
        match app.connections.settle_sign_in(allowed).await {
            Ok(signed_in) => return Ok(signed_in),
            Err(again) => error = again,
        }
    }
}

/// Whether all that is wrong is a setting, and the access is there to try another one with.
fn is_choice(error: &connections::Error, allowed: Option<&Allowed>) -> bool {
    let is_setting =
        matches!(error, connections::Error::Provider(error) if error.kind() == FailureKind::InvalidSettings);
    is_setting && allowed.is_some_and(Allowed::is_new)
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
