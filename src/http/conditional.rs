//! Answers that are kept so that "not modified" has something to stand on.

/// An answer that was kept with its validators.
///
/// A 304 then gives this very body again, so an integration's code is the
/// same whether anything changed or not. It is committed with the data that was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Names the request: method, URL with its query, and the headers that choose the form of the answer.
    pub request_key: String,
    /// `ETag`, as it came.
    pub etag: Option<String>,
    /// `Last-Modified`, as it came.
    pub last_modified: Option<String>,
    /// `Link`, as it came: paging must work from a kept page too.
    pub link: Option<String>,
    /// The body, not compressed. Whoever stores it compresses and seals it.
    pub body: Vec<u8>,
}
