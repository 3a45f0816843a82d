//! Errors as pages, in the product's words. Whatever a handler or the router answered, a browser gets a page.

use askama::Template;
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
};

use crate::web::{cookies::Theme, error::Sentence, frame::Frame};

/// How a page was asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) struct Asked {
    theme: Theme,
    /// For a piece of a page, which is put into one that stands already.
    is_fragment: bool,
}

impl Asked {
    pub(in crate::web) fn of(headers: &HeaderMap) -> Self {
        Self { theme: Theme::chosen(headers), is_fragment: headers.contains_key("hx-request") }
    }
}

#[derive(Template)]
#[template(path = "fault.html")]
struct Fault {
    frame: Frame,
    code: u16,
    sentence: String,
    is_fragment: bool,
}

/// The same answer, with a page where it is an error that has none.
pub(in crate::web) fn dressed(answer: Response, asked: Asked) -> Response {
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || kind.starts_with("text/html") || answer.headers().contains_key("hx-redirect") {
        return answer;
    }
    let (title, usual) = words(status);
    // Only sentences of ours are shown; a library's would be about its parts.
    let own = answer.extensions().get::<Sentence>().map(|Sentence(sentence)| sentence.clone());
    let sentence = own.filter(|_| !is_plain(status)).unwrap_or_else(|| usual.to_owned());
    let fault = Fault {
        frame: Frame::bare(asked.theme, title),
        code: status.as_u16(),
        sentence,
        is_fragment: asked.is_fragment,
    };
    let Ok(page) = fault.render() else { return answer };
    let (mut parts, _) = answer.into_parts();
    parts.headers.remove(header::CONTENT_TYPE);
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts.status, parts.headers, Html(page)).into_response()
}

/// Errors of which every one is like the other.
fn is_plain(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::INTERNAL_SERVER_ERROR
    )
}

fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => ("Not here", "There is nothing at this address, or nothing that you may see."),
        StatusCode::FORBIDDEN => ("Not allowed", "You may not do this."),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("Not this way", "This address can be looked at or sent to, but not like that.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => ("Too much", "That is more than Dashtray takes at once. Nothing was changed."),
        StatusCode::TOO_MANY_REQUESTS => ("Too often", "Wait a little and try again."),
        StatusCode::CONFLICT => ("Somebody was faster", "This was changed in the meantime. Load the page again."),
        StatusCode::SERVICE_UNAVAILABLE => ("Not just now", "Dashtray cannot answer at the moment. Try again soon."),
        status if status.is_server_error() => {
            ("A fault in Dashtray", "This should not happen. The log of the server says what went wrong.")
        }
        _ => ("That does not fit", "Dashtray could not make sense of this request."),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::to_bytes;

    use super::*;
    use crate::web::Error;

    async fn page(error: impl IntoResponse) -> (u16, String) {
        let answer = dressed(error.into_response(), Asked { theme: Theme::Dark, is_fragment: false });
        let status = answer.status().as_u16();
        (status, String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn every_error_is_a_page_with_its_status() {
        let cases = [
            (Error::NotFound, 404, "nothing that you may see"),
            (Error::MethodNotAllowed, 405, "Not this way"),
            (Error::Forbidden("You may look.".into()), 403, "You may look."),
            (Error::TooLarge, 413, "more than Dashtray takes"),
            (Error::TooMany("Wait 3 minutes.".into(), Duration::from_secs(180)), 429, "Wait 3 minutes."),
            (Error::Unavailable("the database does not answer".into()), 503, "the database does not answer"),
            (Error::Internal, 500, "This should not happen"),
        ];
        for (error, status, words) in cases {
            let (found, page) = page(error).await;
            assert_eq!(found, status);
            assert!(page.contains(words) && page.contains("data-theme=\"dark\"") && !page.contains("{\""), "{page}");
        }
    }

    #[tokio::test]
    async fn a_library_s_own_words_and_markup_never_reach_the_page() {
        let (_, library) = page((StatusCode::UNSUPPORTED_MEDIA_TYPE, "Form requests must have `Content-Type`")).await;
        assert!(!library.contains("Content-Type") && library.contains("could not make sense"), "{library}");
        let (_, markup) = page(Error::BadRequest("<script>alert(1)</script>".into())).await;
        assert!(!markup.contains("<script>alert"), "{markup}");
    }
}
