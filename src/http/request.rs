//! One request, and its answer.

use serde::de::DeserializeOwned;

use super::{
    Error,
    page::{Next, Pages},
};

/// A request that is being built. Nothing is sent before [`Request::json`], [`Request::send`] or [`Pages::next`].
#[derive(Debug, Clone)]
pub struct Request {}

/// A decoded answer.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The HTTP status: 200, or one that was allowed.
    pub status: u16,
    /// The decoded body.
    pub body: T,
    /// Whether the provider said that nothing changed and the body is the kept one.
    pub not_modified: bool,
    headers: Vec<(String, String)>,
}

impl<T> Answer<T> {
    /// A header of the answer by its name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The URL that the `Link` header names for a relation such as `next` or `last`.
    pub fn link(&self, relation: &str) -> Option<String> {
        let _ = relation;
        todo!("skeleton")
    }
}

impl Request {
    /// Fills `{name}` of the path; the value is encoded as one segment. Use `{+name}` in the template where the value
    /// may hold slashes.
    #[must_use]
    pub fn path(self, name: &str, value: &str) -> Self {
        let _ = (name, value);
        todo!("skeleton")
    }

    /// Adds a query parameter. A key may be added several times.
    #[must_use]
    pub fn query(self, key: &str, value: impl ToString) -> Self {
        let _ = (key, value.to_string());
        todo!("skeleton")
    }

    /// Sets a header, over the descriptor's.
    #[must_use]
    pub fn header(self, name: &'static str, value: &str) -> Self {
        let _ = (name, value);
        todo!("skeleton")
    }

    /// Names the resource whose limit counts this request; without it, `core`.
    #[must_use]
    pub fn resource(self, name: &'static str) -> Self {
        let _ = name;
        todo!("skeleton")
    }

    /// Takes this status as an answer and not as an error; see [`Answer::status`]. Only for [`Request::send`].
    #[must_use]
    pub fn allow(self, status: u16) -> Self {
        let _ = status;
        todo!("skeleton")
    }

    /// Keeps the answer with its validators and asks next time whether it changed.
    #[must_use]
    pub fn conditional(self) -> Self {
        todo!("skeleton")
    }

    /// Sends it and decodes JSON. An answer that does not decode is `invalid_response` and names the JSON path.
    pub async fn json<T: DeserializeOwned>(self) -> Result<Answer<T>, Error> {
        todo!("skeleton")
    }

    /// Sends it and gives the body as it came. For statuses that were allowed, and for bodies that are no JSON.
    pub async fn send(self) -> Result<Answer<Vec<u8>>, Error> {
        todo!("skeleton")
    }

    /// Reads a list page by page. `next` says from each page how the following one is asked for.
    pub fn pages<T, F>(self, next: F) -> Pages<T, F>
    where
        T: DeserializeOwned,
        F: FnMut(&Answer<T>) -> Result<Next, Error>,
    {
        let _ = next;
        todo!("skeleton")
    }
}
