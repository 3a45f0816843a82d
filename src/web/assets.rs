//! What pages load: compiled in, compressed once, and named by their content, so that a browser may keep them for ever.

use std::{collections::BTreeMap, io::Write as _, sync::OnceLock};

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

use super::Error;

/// The files. A script of ours that imports another one stands behind it: see [`linked`].
const FILES: &[(&str, &str)] = &[
    ("app.css", include_str!("../../static/app.css")),
    ("icon.svg", include_str!("../../static/icon.svg")),
    ("htmx.js", include_str!("../../static/vendor/htmx.js")),
    ("idiomorph.js", include_str!("../../static/vendor/idiomorph.js")),
    ("uplot.js", include_str!("../../static/vendor/uplot.js")),
    ("uplot.css", include_str!("../../static/vendor/uplot.css")),
    ("app.js", include_str!("../../static/app.js")),
    ("chart.js", include_str!("../../static/chart.js")),
    ("live.js", include_str!("../../static/live.js")),
    ("drag.js", include_str!("../../static/drag.js")),
];

#[derive(Debug)]
struct Asset {
    /// `/static/app.0123456789abcdef.css`
    url: String,
    kind: &'static str,
    plain: Vec<u8>,
    zipped: Vec<u8>,
}

#[derive(Debug, Default)]
struct Assets {
    /// By the name that templates use.
    urls: BTreeMap<&'static str, String>,
    /// By the last part of the address.
    files: BTreeMap<String, Asset>,
}

fn all() -> &'static Assets {
    static ASSETS: OnceLock<Assets> = OnceLock::new();
    ASSETS.get_or_init(|| {
        let mut assets = Assets::default();
        for (name, text) in FILES {
            let asset = Asset::new(name, linked(text, &assets.urls));
            let file = asset.url.trim_start_matches("/static/").to_owned();
            assets.urls.insert(name, asset.url.clone());
            assets.files.insert(file, asset);
        }
        assets
    })
}

/// The address of a file. One that does not exist has none that works; a test reads all templates for it.
pub(super) fn url(name: &str) -> &'static str {
    all().urls.get(name).map_or("/static/missing", String::as_str)
}

/// `import … from "./chart.js"` names the file by its content, where that file stands before this one. Still beside it,
/// so that it does not matter under which path both are.
fn linked(text: &str, known: &BTreeMap<&'static str, String>) -> String {
    known.iter().fold(text.to_owned(), |text, (name, url)| {
        let file = url.trim_start_matches("/static/");
        text.replace(&format!("\"./{name}\""), &format!("\"./{file}\""))
    })
}

impl Asset {
    fn new(name: &str, text: String) -> Self {
        let digest: String = Sha256::digest(text.as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let kind = match extension {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "application/octet-stream",
        };
        let zipped = gzip(text.as_bytes(), Compression::best());
        Self { url: format!("/static/{stem}.{digest}.{extension}"), kind, plain: text.into_bytes(), zipped }
    }
}

/// Compresses. Into memory, which does not fail.
pub(super) fn gzip(plain: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    let _ = encoder.write_all(plain);
    encoder.finish().unwrap_or_default()
}

/// Whether a browser takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        parts.next().is_some_and(|name| name == "gzip") && !parts.any(|part| part == "q=0" || part == "q=0.0")
    })
}

/// `GET /static/{name}`
pub(super) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let asset = all().files.get(&name).ok_or(Error::NotFound)?;
    let tag = format!("\"{}\"", asset.url);
    let mut answer = HeaderMap::new();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    answer.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        answer.insert(header::ETAG, tag);
    }
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag) {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    if !takes_gzip(&headers) {
        return Ok((answer, asset.plain.as_slice()).into_response());
    }
    answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok((answer, asset.zipped.as_slice()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_the_content() {
        let name = |text: &str| Asset::new("a.js", text.to_owned()).url;
        assert_eq!(name("x"), name("x"));
        assert_ne!(name("x"), name("y"));
        assert!(url("app.css").starts_with("/static/app.") && url("app.css").ends_with(".css"));
    }

    #[test]
    fn an_import_names_the_file_by_its_content() {
        let known = BTreeMap::from([("a.js", "/static/a.1.js".to_owned())]);
        assert_eq!(linked(r#"import { x } from "./a.js";"#, &known), r#"import { x } from "./a.1.js";"#);
        for (name, asset) in all().files.iter().filter(|(name, _)| name.ends_with(".js")) {
            let text = String::from_utf8_lossy(&asset.plain);
            for (plain, _) in FILES {
                assert!(!text.contains(&format!("from \"./{plain}\"")), "{name}: {plain} stands before it in FILES");
            }
        }
    }

    #[test]
    fn gzip_is_sent_to_whoever_takes_it() {
        let takes = |value: &'static str| {
            takes_gzip(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]))
        };
        assert!(takes("gzip, deflate, br") && takes("br;q=1.0, gzip;q=0.8"));
        assert!(!takes("br") && !takes("gzip;q=0") && !takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn the_first_load_is_within_its_budget() {
        let sizes: usize = all().files.values().map(|asset| asset.zipped.len()).sum();
        assert!(sizes < 88_000, "{sizes} bytes compressed; 90 kB with the page is the most");
    }
}
