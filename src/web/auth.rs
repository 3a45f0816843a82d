//! Who asks. A handler that takes a [`Viewer`] is for those who are signed in and in a project, and so is one that takes
//! [`Posted`], which is a form that this very session was given. What one may do there says [`Permission`].

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
    config::Network,
    secret::Secret,
    store::{Actor, Project, Role},
    users::{Browser, Permission, Session},
};

/// Somebody who is signed in, whether or not they are in a project.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) session: Session,
    /// Where they ask from.
    address: String,
}

impl Person {
    /// Who is signed in with this browser, if anybody is.
    pub(super) async fn of(parts: &Parts, app: &App) -> Result<Option<Self>, Error> {
        let Some(token) = cookies::session(&parts.headers, &app.config) else { return Ok(None) };
        let session = app.users.session(&token).await?;
        Ok(session.map(|session| Self { session, address: asking(parts, app) }))
    }

    /// As whom they act.
    fn actor(&self) -> Actor {
        let user = &self.session.user;
        Actor::User { id: user.id, email: user.email.clone(), address: self.address.clone() }
    }
}

impl FromRequestParts<App> for Person {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        Self::of(parts, app).await.map_err(IntoResponse::into_response)?.ok_or_else(|| sign_in_first(parts))
    }
}

/// Somebody who is signed in, with the project that their pages show.
#[derive(Debug, Clone)]
pub(super) struct Viewer {
    pub(super) session: Session,
    pub(super) project: Project,
    pub(super) role: Role,
    pub(super) theme: Theme,
    actor: Actor,
}

impl Viewer {
    /// Whose sign-ins at providers these are: this very session's, for the project that it shows.
    pub(super) fn holder(&self) -> String {
        format!("{} {}", self.session.session.id, self.project.slug)
    }

    /// Refuses who may not do something in the project that is shown.
    pub(super) fn may(&self, permission: Permission) -> Result<(), Error> {
        if self.can(permission) { Ok(()) } else { Err(Error::Forbidden(permission.refusal().to_owned())) }
    }

    /// Whether they may: for pages that leave out what somebody could not use.
    pub(super) fn can(&self, permission: Permission) -> bool {
        permission.is_of(self.role)
    }

    /// The app on their behalf. What changes is noted as theirs.
    pub(super) fn acting(&self, app: &App) -> App {
        app.acting(self.actor.clone())
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let person = Person::from_request_parts(parts, app).await?;
        let actor = person.actor();
        let Some(membership) = person.session.membership().cloned() else {
            let sentence = "You are in no project. Ask one of its owners for an invitation.";
            return Err(Error::Forbidden(sentence.to_owned()).into_response());
        };
        let theme = Theme::chosen(&parts.headers);
        Ok(Self { session: person.session, project: membership.project, role: membership.role, theme, actor })
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
pub(super) struct Posted<W = Viewer> {
    /// On behalf of who sent it.
    pub(super) app: App,
    pub(super) viewer: W,
    pub(super) fields: Fields,
}

/// Who may be given a form.
pub(super) trait SignedIn: FromRequestParts<App, Rejection = Response> + Send {
    fn session(&self) -> &Session;
    fn actor(&self) -> Actor;
}

impl SignedIn for Viewer {
    fn session(&self) -> &Session {
        &self.session
    }

    fn actor(&self) -> Actor {
        self.actor.clone()
    }
}

impl SignedIn for Person {
    fn session(&self) -> &Session {
        &self.session
    }

    fn actor(&self) -> Actor {
        self.actor()
    }
}

impl<W: SignedIn> FromRequest<App> for Posted<W> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let viewer = W::from_request_parts(&mut parts, app).await?;
        let header = parts.headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let fields = Fields::from_request(Request::from_parts(parts, body), app).await?;
        if !viewer.session().is_own_form(header.as_deref().unwrap_or_else(|| fields.text("csrf"))) {
            let sentence = "This form is of an earlier sign-in. Go back, load the page again and repeat it.";
            return Err(Error::Forbidden(sentence.to_owned()).into_response());
        }
        Ok(Self { app: app.acting(viewer.actor()), viewer, fields })
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
        Ok(Self(Browser { agent: agent(&parts.headers), address: asking(parts, app) }))
    }
}

/// Where a request comes from, in words; empty where nobody knows.
fn asking(parts: &Parts, app: &App) -> String {
    address(parts, &app.config.trusted_proxies).map(|address| address.to_string()).unwrap_or_default()
}

/// The same of a request whose other end is known.
pub(super) fn of_peer(peer: Option<IpAddr>, headers: &HeaderMap, app: &App) -> String {
    peer.map(|peer| nearest(peer, headers, &app.config.trusted_proxies).to_string()).unwrap_or_default()
}

/// Where a request comes from, as far as can be believed.
pub(super) fn address(parts: &Parts, proxies: &[Network]) -> Option<IpAddr> {
    let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(nearest(peer.ip(), &parts.headers, proxies))
}

/// Whether a proxy of ours passed it on.
pub(super) fn is_of_proxy(parts: &Parts, proxies: &[Network]) -> bool {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|ConnectInfo(peer)| proxies.iter().any(|network| network.contains(peer.ip())))
}

/// The nearest address that is no proxy of ours. What stands before it anybody could write.
fn nearest(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    let mut nearest = peer.to_canonical();
    for before in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        match told(before.trim()) {
            Some(before) if is_proxy(nearest) => nearest = before.to_canonical(),
            _ => break,
        }
    }
    nearest
}

/// An address as proxies write it: some of them add the port.
fn told(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse().ok().map(|with_port: SocketAddr| with_port.ip()))
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
            let ours: Vec<Network> = vec![proxy.to_string().parse().unwrap()];
            prop_assert_eq!(nearest(peer, &headers, &ours), peer);
            // Of what a proxy of ours says, the last counts.
            if let Some(last) = hops.last().filter(|last| **last != proxy.to_string()) {
                prop_assert_eq!(&nearest(proxy, &headers, &ours).to_string(), last);
            }
        }
    }

    #[test]
    fn an_address_is_believed_as_far_as_our_own_proxies_say_it() {
        let from = |peer: &str, told: &str, proxies: &[&str]| {
            let headers =
                HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), HeaderValue::from_str(told).unwrap())]);
            let proxies: Vec<Network> = proxies.iter().map(|one| one.parse().unwrap()).collect();
            nearest(peer.parse().unwrap(), &headers, &proxies).to_string()
        };
        assert_eq!(from("10.0.0.9", "1.2.3.4", &[]), "10.0.0.9");
        assert_eq!(from("127.0.0.1", "6.6.6.6, 1.2.3.4", &["127.0.0.1"]), "1.2.3.4");
        assert_eq!(from("127.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", &["127.0.0.1", "10.0.0.2"]), "1.2.3.4");
        assert_eq!(from("127.0.0.1", "nonsense, 1.2.3.4", &["127.0.0.1"]), "1.2.3.4");
        assert_eq!(from("127.0.0.1", "", &["127.0.0.1"]), "127.0.0.1");
        assert_eq!(from("::ffff:10.0.0.9", "6.6.6.6, 1.2.3.4:5678, 10.1.2.3", &["10.0.0.0/8"]), "1.2.3.4");
        assert_eq!(from("fd00::9", "[2001:db8::1]:443", &["fd00::/8"]), "2001:db8::1");
    }
}
