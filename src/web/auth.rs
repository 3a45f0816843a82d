//! Who asks. A handler that takes a [`Viewer`] is for those who are signed in alone, and so is one that takes [`Posted`],
//! which is a form that this very session was given.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequest, FromRequestParts, RawForm, Request},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Redirect, Response},
};
use url::form_urlencoded;

use super::{
    Error,
    cookies::{self, Theme},
};
use crate::{
    app::App,
    secret::Secret,
    store::{Project, Role},
    users::{Browser, Session},
};

/// Somebody who is signed in, with the project that their pages show.
#[derive(Debug, Clone)]
pub(super) struct Viewer {
    pub(super) session: Session,
    pub(super) project: Project,
    pub(super) role: Role,
    pub(super) theme: Theme,
}

impl Viewer {
    /// Whose sign-ins at providers these are: this very session's, for the project that it shows.
    pub(super) fn holder(&self) -> String {
        format!("{} {}", self.session.session.id, self.project.slug)
    }

    /// Refuses who may only look.
    pub(super) fn may_change(&self) -> Result<(), Error> {
        match self.role {
            Role::Viewer => Err(Error::Forbidden("You may look at this project and not change it.".to_owned())),
            Role::Editor | Role::Owner => Ok(()),
        }
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let session = match cookies::session(&parts.headers, &app.config) {
            Some(token) => app.users.session(&token).await.map_err(|error| Error::from(error).into_response())?,
            None => None,
        };
        let Some(session) = session else { return Err(sign_in_first(parts)) };
        let Some(membership) = session.membership().cloned() else {
            let sentence = "You are in no project yet. Ask whoever runs this Dashtray.";
            return Err(Error::Forbidden(sentence.to_owned()).into_response());
        };
        let theme = Theme::chosen(&parts.headers);
        Ok(Self { session, project: membership.project, role: membership.role, theme })
    }
}

/// Sends to the sign-in, and back afterwards where that makes sense.
fn sign_in_first(parts: &Parts) -> Response {
    let asked = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let next: String = form_urlencoded::byte_serialize(asked.as_bytes()).collect();
    let address =
        if parts.method == Method::GET && asked != "/" { format!("/login?next={next}") } else { "/login".into() };
    if parts.headers.contains_key("hx-request") {
        // A fragment cannot be redirected; the page that holds it can.
        return (StatusCode::UNAUTHORIZED, [("hx-redirect", "/login")]).into_response();
    }
    Redirect::to(&address).into_response()
}

/// A form of somebody who is signed in, that was given to this very session.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) viewer: Viewer,
    pub(super) fields: Fields,
}

impl FromRequest<App> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::from_request_parts(&mut parts, app).await?;
        let header = parts.headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let fields = Fields::from_request(Request::from_parts(parts, body), app).await?;
        if !viewer.session.is_own_form(header.as_deref().unwrap_or_else(|| fields.text("csrf"))) {
            let sentence = "This form is of an earlier sign-in. Go back, load the page again and repeat it.";
            return Err(Error::Forbidden(sentence.to_owned()).into_response());
        }
        Ok(Self { viewer, fields })
    }
}

/// What a form holds, of whomever. Values never print.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, Secret)>);

impl Fields {
    /// A field as it was typed; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.expose())
    }

    /// All fields of that name, as boxes are that were ticked.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.expose())
    }

    /// The same for a secret.
    pub(super) fn secret(&self, name: &str) -> Secret {
        Secret::new(self.text(name))
    }
}

impl FromRequest<App> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let RawForm(bytes) = RawForm::from_request(request, app).await.map_err(IntoResponse::into_response)?;
        let pairs = form_urlencoded::parse(&bytes);
        Ok(Self(pairs.map(|(name, value)| (name.into_owned(), Secret::new(value.into_owned()))).collect()))
    }
}

/// The browser that asks, as sessions are listed.
pub(super) struct Asking(pub(super) Browser);

impl FromRequestParts<App> for Asking {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let address = peer.map(|peer| address(peer, &parts.headers, &app.config.trusted_proxies).to_string());
        Ok(Self(Browser { agent: agent(&parts.headers), address: address.unwrap_or_default() }))
    }
}

/// Where a request comes from: the nearest address that is no proxy of ours. What stands before it anybody could write.
fn address(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    let mut nearest = peer;
    for before in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        match before.trim().parse() {
            Ok(before) if proxies.contains(&nearest) => nearest = before,
            _ => break,
        }
    }
    nearest
}

fn agent(headers: &HeaderMap) -> String {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nobody_chooses_where_they_come_from(line in "[ -~]{0,60}", hops in prop::collection::vec(any::<u32>(), 0..5)) {
            let (peer, proxy) = (IpAddr::from([203, 0, 113, 7]), IpAddr::from([10, 0, 0, 1]));
            let hops: Vec<String> = hops.iter().map(|hop| std::net::Ipv4Addr::from(*hop).to_string()).collect();
            let told = HeaderValue::from_str(&format!("{line}, {}", hops.join(", "))).unwrap();
            let headers = HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), told)]);
            prop_assert_eq!(address(peer, &headers, &[proxy]), peer);
            // Of what a proxy of ours says, the last counts.
            if let Some(last) = hops.last().filter(|last| **last != proxy.to_string()) {
                prop_assert_eq!(&address(proxy, &headers, &[proxy]).to_string(), last);
            }
        }
    }

    #[test]
    fn an_address_is_believed_as_far_as_our_own_proxies_say_it() {
        let from = |peer: &str, told: &str, proxies: &[&str]| {
            let headers =
                HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), HeaderValue::from_str(told).unwrap())]);
            let proxies: Vec<IpAddr> = proxies.iter().map(|one| one.parse().unwrap()).collect();
            address(peer.parse().unwrap(), &headers, &proxies).to_string()
        };
        assert_eq!(from("10.0.0.9", "1.2.3.4", &[]), "10.0.0.9");
        assert_eq!(from("127.0.0.1", "6.6.6.6, 1.2.3.4", &["127.0.0.1"]), "1.2.3.4");
        assert_eq!(from("127.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", &["127.0.0.1", "10.0.0.2"]), "1.2.3.4");
        assert_eq!(from("127.0.0.1", "nonsense, 1.2.3.4", &["127.0.0.1"]), "1.2.3.4");
        assert_eq!(from("127.0.0.1", "", &["127.0.0.1"]), "127.0.0.1");
    }
}
