//! Reading lists page by page, with guards against lists that never end.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::{Error, request::Answer};

/// How the following page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This was the last page.
    Done,
    /// The same request with this parameter set to this value (a cursor, last id, page number or time).
    Query(&'static str, String),
    /// As the `Link` header's `rel="next"` says; done where there is none.
    Link,
}

/// A list that is read page by page. A repeated cursor, a repeated page and a list without end are `invalid_response`;
/// any failure on the way is the failure of the list: there is no short success.
#[derive(Debug)]
pub struct Pages<T, F> {
    #[expect(dead_code, reason = "skeleton")]
    next: F,
    page: PhantomData<T>,
}

impl<T, F> Pages<T, F>
where
    T: DeserializeOwned,
    F: FnMut(&Answer<T>) -> Result<Next, Error>,
{
    /// The next page; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Answer<T>>, Error> {
        todo!("skeleton")
    }
}
