//! Dashtray under a path of a host that it shares with others.
//!
//! Handlers, templates and scripts speak of addresses as if the host were theirs. At the door the path is taken off what
//! comes in and put before what goes out, in one place, so that no page can forget it.

use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, header},
};

/// Attributes that hold an address. All others are left alone: a form gives back what a field holds.
const ATTRIBUTES: [&str; 10] =
    ["href", "src", "action", "formaction", "hx-get", "hx-post", "hx-put", "hx-delete", "data-live", "data-part"];
/// Headers that hold an address.
const HEADERS: [HeaderName; 2] = [header::LOCATION, HeaderName::from_static("hx-redirect")];

/// The same routes under the path. As they are as well, since some proxies take the path off by themselves, and since
/// whoever asks on this machine whether Dashtray is well need not know of it.
pub(super) fn under(base: &str, routes: Router) -> Router {
    if base.is_empty() { routes } else { Router::new().nest_service(base, routes.clone()).fallback_service(routes) }
}

/// The path before the addresses in an answer's headers.
pub(super) fn headers(base: &str, headers: &mut HeaderMap) {
    for name in HEADERS {
        let Some(address) = headers.get(&name).and_then(|value| value.to_str().ok()).filter(|one| is_ours(one)) else {
            continue;
        };
        if let Ok(value) = HeaderValue::from_str(&format!("{base}{address}")) {
            headers.insert(name, value);
        }
    }
}

/// The path before the addresses in a page. Text never has a bare quotation mark, so what looks like an attribute is one.
pub(super) fn page(base: &str, html: &str) -> String {
    let mut out = String::with_capacity(html.len() + html.len() / 16);
    let mut rest = html;
    while let Some(at) = rest.find("=\"/") {
        let (before, after) = rest.split_at(at + 2);
        out.push_str(before);
        let name = before.trim_end_matches("=\"").rsplit(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
        if ATTRIBUTES.contains(&name) && is_ours(after) {
            out.push_str(base);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Two slashes would name a host.
fn is_ours(address: &str) -> bool {
    address.starts_with('/') && !address.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_ours_get_the_path_and_nothing_else_does() {
        let html = r##"<a class="x" href="/m/a?b=/c">/d</a> <a href="?e=/f"><a href="#g"><a href="https://h/i"><a href="//j">
<img src="/k"><input value="/l" name="next"><a data-key="/" href="/"><p title="href=/m">href=&#34;/n&#34;<form action="/o">"##;
        let expected = html
            .replace("href=\"/m/a", "href=\"/x/m/a")
            .replace("src=\"/k", "src=\"/x/k")
            .replace("href=\"/\"", "href=\"/x/\"")
            .replace("action=\"/o", "action=\"/x/o");
        assert_eq!(page("/x", html), expected);
        assert_eq!(page("/x", ""), "");
    }

    #[test]
    fn redirects_of_ours_get_the_path() {
        let told = |address: &'static str| {
            let mut all = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(address))]);
            headers("/x", &mut all);
            all[header::LOCATION].to_str().unwrap().to_owned()
        };
        assert_eq!(told("/login?next=%2Fm"), "/x/login?next=%2Fm");
        assert_eq!(told("https://accounts.example.com/o"), "https://accounts.example.com/o");
        assert_eq!(told("//evil.example.com"), "//evil.example.com");
    }
}
