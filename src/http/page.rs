//! Reading lists page by page, with guards against lists that never end.

use std::{collections::HashSet, hash::BuildHasher as _, marker::PhantomData};

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;
use url::Url;

use super::{
    Error,
    request::{Answer, Request},
};
use crate::fail_point;

/// No list that anybody reads here is longer.
const MOST_PAGES: u32 = 100_000;

/// How the following page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This was the last page.
    Done,
    /// The same request with this parameter set to this value (a cursor, last id, page number or time).
    Query(&'static str, String),
    /// As the `Link` header's `rel="next"` says; done where there is none.
    Link,
    /// The same request with this body, of a list that is asked for by POST.
    Body(serde_json::Value),
}

/// A list that is read page by page. A repeated cursor, a repeated page and a list without end are `invalid_response`;
/// any failure on the way is the failure of the list: there is no short success.
#[derive(Debug)]
pub struct Pages<T, F> {
    request: Request,
    next: F,
    guard: Guard,
    is_done: bool,
    page: PhantomData<fn() -> T>,
}

impl<T, F> Pages<T, F>
where
    T: DeserializeOwned,
    F: FnMut(&Answer<T>) -> Result<Next, Error>,
{
    pub(super) fn new(request: Request, next: F) -> Self {
        Self { request, next, guard: Guard::default(), is_done: false, page: PhantomData }
    }

    /// The next page; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Answer<T>>, Error> {
        if self.is_done {
            return Ok(None);
        }
        // Whatever fails below, the list is over.
        self.is_done = true;
        let (answer, following) = self.read().await.map_err(|error| error.context("page", self.guard.pages))?;
        match following {
            Some(Following::Url(url)) => self.request.page = Some(url),
            Some(Following::Body(body)) => self.request.body = Some(body),
            None => return Ok(Some(answer)),
        }
        self.is_done = false;
        Ok(Some(answer))
    }

    /// Reads the next page while the caller does other things, and stops when it is dropped. Gives the list back with
    /// the page.
    ///
    /// A page that is read by a future of the caller's own stands still while the caller awaits something else, and may
    /// hold what that waits for: a place in the budget, or the database's one writer.
    pub fn read_ahead(mut self) -> impl Future<Output = (Self, Result<Option<Answer<T>>, Error>)> + Send
    where
        T: Send + 'static,
        F: Send + 'static,
    {
        let reading = async move {
            let page = self.next().await;
            (self, page)
        };
        let task = AbortOnDropHandle::new(tokio::spawn(fail_point::carried(reading.in_current_span())));
        async move {
            match task.await {
                Ok(read) => read,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The program stops.
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Reads the page that is due, and finds the one after it.
    async fn read(&mut self) -> Result<(Answer<T>, Option<Following>), Error> {
        let target = self.request.http.inner.target.as_ref().map_err(Clone::clone)?;
        let url = self.request.url(target)?;
        let endpoint = self.request.template;
        let body = self.request.body.as_deref().unwrap_or_default();
        self.guard.enter(&url, body).map_err(|error| error.context("endpoint", endpoint))?;
        let fetched = self.request.fetch().await?;
        self.guard.look(&fetched.body).map_err(|error| error.context("endpoint", endpoint))?;
        let answer = self.request.decoded(fetched)?;
        let following = match (self.next)(&answer)? {
            Next::Done => None,
            Next::Query(key, value) => Some(Following::Url(with_parameter(url, key, &value))),
            Next::Link => match answer.link("next") {
                Some(link) => {
                    let url = admitted(&link, target).map_err(|error| error.context("endpoint", endpoint))?;
                    Some(Following::Url(url))
                }
                None => None,
            },
            Next::Body(body) => Some(Following::Body(body.to_string().into())),
        };
        Ok((answer, following))
    }
}

/// What the next page is asked for with.
enum Following {
    Url(Url),
    Body(Bytes),
}

fn admitted(link: &str, target: &super::target::Target) -> Result<Url, Error> {
    let refused = |why| Error::invalid_response(format!("the link to the next page was not followed: {why}"));
    target.admit(Url::parse(link).map_err(|_| refused("it is not a URL"))?).map_err(refused)
}

/// The URL with one parameter set, in place of all of that name.
fn with_parameter(mut url: Url, key: &str, value: &str) -> Url {
    let others: Vec<(String, String)> =
        url.query_pairs().filter(|(k, _)| k != key).map(|(k, v)| (k.into(), v.into())).collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(key, value);
    url
}

/// Notices a list that does not end.
#[derive(Debug, Default)]
struct Guard {
    pages: u32,
    /// Quick, since all that is read of a list goes through it.
    hasher: foldhash::fast::RandomState,
    /// Hashes of what was asked for: URL and body.
    seen: HashSet<u64>,
    last_body: Option<u64>,
}

impl Guard {
    /// Before a page is asked for.
    fn enter(&mut self, url: &Url, body: &[u8]) -> Result<(), Error> {
        self.pages += 1;
        if self.pages > MOST_PAGES {
            return Err(Error::invalid_response("the list does not end"));
        }
        if !self.seen.insert(self.hasher.hash_one((url.as_str(), body))) {
            return Err(Error::invalid_response("the list does not end: it leads back to a page that was read"));
        }
        Ok(())
    }

    /// Once it is there. Pages without items may well look the same.
    fn look(&mut self, body: &[u8]) -> Result<(), Error> {
        let this = Some(self.hasher.hash_one(body));
        if self.last_body == this && has_items(body) {
            return Err(Error::invalid_response("the list does not end: the same page came twice"));
        }
        self.last_body = this;
        Ok(())
    }
}

/// Whether a JSON text has an array with something in it.
fn has_items(body: &[u8]) -> bool {
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| *byte == b'[') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if rest.trim_ascii_start().first().is_some_and(|byte| *byte != b']') {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_takes_the_place_of_its_namesakes() {
        let url: Url = "https://a.example/x?limit=2&after=a&after=b&e%5B%5D=1".parse().unwrap();
        let next = with_parameter(url, "after", "c d&e");
        assert_eq!(next.as_str(), "https://a.example/x?limit=2&e%5B%5D=1&after=c+d%26e");
        let bare = with_parameter("https://a.example/x".parse().unwrap(), "after", "c");
        assert_eq!(bare.as_str(), "https://a.example/x?after=c");
    }

    #[test]
    fn pages_without_items_may_repeat_and_others_not() {
        for (body, may_repeat) in [
            ("[]", true),
            (r#"{"data": [ ], "has_more": true}"#, true),
            (r#"{"data": [], "tags": [1]}"#, false),
            (r#"[{"id":1}]"#, false),
            (r#"{"data":[[]]}"#, false),
        ] {
            let mut guard = Guard::default();
            guard.look(body.as_bytes()).unwrap();
            assert_eq!(guard.look(body.as_bytes()).is_ok(), may_repeat, "{body}");
        }
    }

    #[test]
    fn a_page_by_its_body_is_another_page_until_the_body_repeats() {
        let (url, mut guard): (Url, Guard) = ("https://a.example/query".parse().unwrap(), Guard::default());
        guard.enter(&url, br#"{"offset":0}"#).unwrap();
        guard.enter(&url, br#"{"offset":3}"#).unwrap();
        let error = guard.enter(&url, br#"{"offset":0}"#).unwrap_err();
        assert!(error.to_string().contains("leads back"), "{error}");
    }

    #[test]
    fn a_list_ends_at_some_point() {
        let mut guard = Guard::default();
        for page in 0..MOST_PAGES {
            guard.enter(&format!("https://a.example/?page={page}").parse().unwrap(), b"").unwrap();
        }
        let error = guard.enter(&"https://a.example/?page=more".parse().unwrap(), b"").unwrap_err();
        assert_eq!(error.to_string(), "the list does not end");
    }
}
