//! What a request gets: `data`, lists that say where they go on, and lines that are sent as they are read.

use std::io::{self, Write};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::GzEncoder};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{params::Page, refusal::Refusal};
use crate::web::assets::{gzip, takes_gzip};

/// Smaller ones would grow.
const WORTH_COMPRESSING: usize = 1024;

/// An answer.
pub(super) enum Reply {
    /// A document.
    Json(StatusCode, Vec<u8>),
    /// Lines, of a type, as a file of that name.
    Lines(&'static str, &'static str, Body),
}

#[derive(Serialize)]
struct Data<'a, T> {
    data: &'a T,
}

impl Reply {
    /// `{"data": …}`.
    pub(super) fn data(data: &impl Serialize) -> Result<Self, Refusal> {
        Self::plain(&Data { data })
    }

    /// The same of something that was made.
    pub(super) fn made(data: &impl Serialize) -> Result<Self, Refusal> {
        match Self::data(data)? {
            Self::Json(_, body) => Ok(Self::Json(StatusCode::CREATED, body)),
            lines => Ok(lines),
        }
    }

    /// A page of a list.
    pub(super) fn list(name: &str, entries: &[impl Serialize], next: Option<String>) -> Result<Self, Refusal> {
        Self::plain(&json!({"data": {name: entries}, "next_cursor": next}))
    }

    /// The page that is asked for of a list that is there as a whole. Its cursor names, by their keys, the last entry of a
    /// page and the one after it: whatever else comes or goes between two pages, none is left out or shown twice.
    pub(super) fn page_of<T: Serialize>(
        name: &str,
        all: &[T],
        page: &Page,
        key: impl Fn(&T) -> String,
    ) -> Result<Self, Refusal> {
        let place = |wanted: &str| all.iter().position(|entry| key(entry) == wanted);
        let start: usize = match &page.cursor {
            None => 0,
            Some(cursor) => {
                let cursor = read_cursor(cursor)?;
                let (last, next) = cursor.split_once('\n').ok_or_else(no_cursor)?;
                place(last).map(|at| at + 1).or_else(|| place(next)).ok_or_else(no_cursor)?
            }
        };
        let start = start.saturating_add(page.offset);
        let end = start.saturating_add(page.limit).min(all.len());
        let entries = all.get(start..end).unwrap_or_default();
        let next =
            entries.last().zip(all.get(end)).map(|(last, next)| cursor(&format!("{}\n{}", key(last), key(next))));
        Self::list(name, entries, next)
    }

    /// A document as it stands.
    pub(super) fn plain(document: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(document).map_err(|error| Refusal::fault(&error))?;
        Ok(Self::Json(StatusCode::OK, body))
    }

    /// As it goes out: with a tag by its content, compressed for whoever takes that, or as "not modified".
    pub(super) fn into_response(self, asked: &HeaderMap, may_be_known: bool) -> Response {
        let takes_gzip = takes_gzip(asked);
        let mut headers = HeaderMap::new();
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding, Authorization"));
        match self {
            Self::Json(status, body) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                if may_be_known && status == StatusCode::OK {
                    let tag = tag(&body);
                    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
                    if let Ok(value) = HeaderValue::from_str(&tag) {
                        headers.insert(header::ETAG, value);
                    }
                    if is_known(asked, &tag) {
                        headers.remove(header::CONTENT_TYPE);
                        return (StatusCode::NOT_MODIFIED, headers).into_response();
                    }
                }
                if takes_gzip && body.len() >= WORTH_COMPRESSING {
                    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                    return (status, headers, gzip(&body, Compression::fast())).into_response();
                }
                (status, headers, body).into_response()
            }
            Self::Lines(kind, file, body) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"{file}\"")) {
                    headers.insert(header::CONTENT_DISPOSITION, name);
                }
                if !takes_gzip {
                    return (headers, body).into_response();
                }
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                (headers, Body::from_stream(compressed(body.into_data_stream()))).into_response()
            }
        }
    }
}

/// Weak, since it stands for the content and not for how it is compressed.
fn tag(body: &[u8]) -> String {
    let digest: String = Sha256::digest(body).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digest}\"")
}

fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.flat_map(|line| line.split(',')).any(|one| one.trim() == "*" || plain(one) == plain(tag))
}

/// Compresses piece by piece, and ends with an error where the lines do.
fn compressed<E: std::error::Error + Send + Sync + 'static>(
    lines: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> impl Stream<Item = io::Result<Bytes>> {
    let encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
    stream::unfold((lines, encoder), |(mut lines, encoder)| async move {
        let mut encoder = encoder?;
        loop {
            match lines.next().await {
                Some(Ok(piece)) => {
                    if let Err(error) = encoder.write_all(&piece) {
                        return Some((Err(error), (lines, None)));
                    }
                    let ready = std::mem::take(encoder.get_mut());
                    if !ready.is_empty() {
                        return Some((Ok(Bytes::from(ready)), (lines, Some(encoder))));
                    }
                }
                Some(Err(error)) => return Some((Err(io::Error::other(error)), (lines, None))),
                None => return Some((encoder.finish().map(Bytes::from), (lines, None))),
            }
        }
    })
}

/// A place in a list, that nobody need understand.
pub(super) fn cursor(place: &str) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

/// The place that a cursor names.
pub(super) fn read_cursor(cursor: &str) -> Result<String, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| no_cursor())?;
    String::from_utf8(bytes).map_err(|_| no_cursor())
}

pub(super) fn no_cursor() -> Refusal {
    let message = "this cursor is of no page of this list, or what it names is gone; begin without one";
    Refusal::new(StatusCode::NOT_FOUND, "invalid_cursor", message).with(json!({"parameter": "cursor"}))
}
