//! What holds for every page: forms come from our own pages, nothing foreign runs in them, faults have a page.

use std::panic::AssertUnwindSafe;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use flate2::Compression;
use futures_util::FutureExt as _;
use url::Url;

use super::{Error, assets, base_path, cookies, pages::fault};
use crate::app::App;

/// Nothing but our own files: no inline script, no inline style, no frame, no other host.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What every answer says. `same-origin` for referrers, and not less: with none, browsers hide a form's origin.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Smaller ones would grow.
const WORTH_COMPRESSING: usize = 1024;
/// More than any page; what a handler holds in memory anyway.
const LARGEST_PAGE: usize = 64 << 20;

/// The layer around all pages.
pub(super) async fn pages(State(app): State<App>, request: Request, next: Next) -> Response {
    let (asked, takes_gzip) = (fault::Asked::of(request.headers()), assets::takes_gzip(request.headers()));
    let public = app.config.public_url.as_ref();
    let answer = if is_foreign(request.method(), request.headers(), public) {
        Error::Forbidden(foreign_sentence(public)).into_response()
    } else {
        // A panic is that request's failure and nobody else's.
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        answer.unwrap_or_else(|_| Error::Internal.into_response())
    };
    let mut answer = fault::dressed(answer, asked);
    for (name, value) in HEADERS {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if cookies::is_secure(&app.config) {
        let year = HeaderValue::from_static("max-age=31536000");
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    base_path::headers(app.config.base_path(), answer.headers_mut());
    sent(answer, app.config.base_path(), takes_gzip).await
}

/// Whether a request that changes something comes from elsewhere than our own pages. Browsers say where from, in one way
/// or the other; who says nothing is no browser of ours.
fn is_foreign(method: &Method, headers: &HeaderMap, public_url: Option<&Url>) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match text(HeaderName::from_static("sec-fetch-site")) {
        Some("same-origin") => return false,
        Some("cross-site" | "same-site") => return true,
        _ => {}
    }
    let Some(origin) = text(header::ORIGIN).and_then(|origin| Url::parse(origin).ok()) else { return true };
    if public_url.is_some_and(|public| public.origin() == origin.origin()) {
        return false;
    }
    let authority = origin.as_str().split_once("://").map_or("", |(_, rest)| rest.trim_end_matches('/'));
    text(header::HOST).is_none_or(|host| !host.eq_ignore_ascii_case(authority))
}

fn foreign_sentence(public_url: Option<&Url>) -> String {
    let base = "This form came from another address than this Dashtray's, so it was not taken.";
    match public_url {
        Some(url) => format!("{base} Use it at {url}."),
        None => format!("{base} Behind a proxy, say in public_url how people reach it."),
    }
}

/// A page with its addresses as browsers need them, compressed. Other answers have none, are compressed already, or never
/// end.
async fn sent(answer: Response, base: &str, takes_gzip: bool) -> Response {
    let is_page = |value: &HeaderValue| value.to_str().is_ok_and(|kind| kind.starts_with("text/html"));
    let headers = answer.headers();
    let is_ready = headers.contains_key(header::CONTENT_ENCODING) || (base.is_empty() && !takes_gzip);
    if is_ready || !headers.get(header::CONTENT_TYPE).is_some_and(is_page) {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(mut plain) = to_bytes(body, LARGEST_PAGE).await else { return Error::Internal.into_response() };
    if !base.is_empty() {
        plain = base_path::page(base, &String::from_utf8_lossy(&plain)).into();
        parts.headers.remove(header::CONTENT_LENGTH);
    }
    if !takes_gzip {
        return Response::from_parts(parts, Body::from(plain));
    }
    parts.headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding, Cookie"));
    if plain.len() < WORTH_COMPRESSING {
        return Response::from_parts(parts, Body::from(plain));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Response::from_parts(parts, Body::from(assets::gzip(&plain, Compression::fast())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(headers: &[(&'static str, &'static str)], public_url: &str) -> bool {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_foreign(&Method::POST, &HeaderMap::from_iter(headers), Url::parse(public_url).ok().as_ref())
    }

    #[test]
    fn a_form_of_our_own_pages_is_taken() {
        assert!(!foreign(&[("sec-fetch-site", "same-origin")], ""));
        assert!(!foreign(&[("host", "10.0.0.5:8080"), ("origin", "http://10.0.0.5:8080")], ""));
        assert!(!foreign(&[("host", "app:8080"), ("origin", "https://m.example.com")], "https://m.example.com/"));
    }

    #[test]
    fn a_form_from_elsewhere_is_not() {
        assert!(foreign(&[("sec-fetch-site", "cross-site"), ("host", "a"), ("origin", "http://a")], ""));
        assert!(foreign(&[("sec-fetch-site", "same-site")], ""));
        assert!(foreign(&[("host", "10.0.0.5:8080"), ("origin", "http://10.0.0.5:9000")], ""));
        assert!(foreign(&[("host", "a"), ("origin", "null")], ""));
        assert!(foreign(&[("host", "a")], ""), "who says nothing is no browser");
        assert!(foreign(&[("host", "app:8080"), ("origin", "https://evil.example.com")], "https://m.example.com/"));
    }

    #[test]
    fn what_only_reads_may_come_from_anywhere() {
        assert!(!is_foreign(&Method::GET, &HeaderMap::new(), None));
    }
}
