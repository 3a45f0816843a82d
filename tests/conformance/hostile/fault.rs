//! What can be wrong with one answer.

use std::{
    collections::HashMap,
    io::Write as _,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use crate::conformance::{
    checks::{
        lists::{is_first, small, without},
        patience::http_date,
    },
    front::{Act, Asked, Form, Reply},
    machine::MOST_DECODED_BYTES,
    stand::List,
};

/// One way in which an answer is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    // A limit, and what is said of how long it lasts.
    LimitUnsaid,
    LimitForSeconds,
    LimitUntilDate,
    LimitUntilNow,
    LimitUntilPast,
    LimitNegative,
    LimitGarbage,
    LimitAbsurd,
    LimitForMinutes,
    // A passing fault of the provider.
    Status(u16),
    UnavailableForSeconds,
    // On the wire.
    NoAnswer,
    Reset,
    Cut,
    CutCompressed,
    Silence,
    Drip,
    // An answer that is none.
    Bomb,
    NotCompressed,
    Announced,
    HalfJson,
    WebPage,
    Empty,
    Null,
    // A page of a list.
    FirstPageAgain,
    SamePageAgain,
    EmptyPage,
    EntriesAgain,
}

pub(crate) const ALL: [Fault; 33] = [
    Fault::LimitUnsaid,
    Fault::LimitForSeconds,
    Fault::LimitUntilDate,
    Fault::LimitUntilNow,
    Fault::LimitUntilPast,
    Fault::LimitNegative,
    Fault::LimitGarbage,
    Fault::LimitAbsurd,
    Fault::LimitForMinutes,
    Fault::Status(408),
    Fault::Status(425),
    Fault::Status(500),
    Fault::Status(502),
    Fault::Status(503),
    Fault::Status(504),
    Fault::UnavailableForSeconds,
    Fault::NoAnswer,
    Fault::Reset,
    Fault::Cut,
    Fault::CutCompressed,
    Fault::Silence,
    Fault::Drip,
    Fault::Bomb,
    Fault::NotCompressed,
    Fault::Announced,
    Fault::HalfJson,
    Fault::WebPage,
    Fault::Empty,
    Fault::Null,
    Fault::FirstPageAgain,
    Fault::SamePageAgain,
    Fault::EmptyPage,
    Fault::EntriesAgain,
];

/// Few bytes that become more than anybody takes.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..=MOST_DECODED_BYTES >> 20 {
        bomb.write_all(&zeros).expect("memory");
    }
    bomb.finish().expect("memory")
});

impl Fault {
    /// Whether it is about pages after the first of a list.
    pub(crate) fn is_of_lists(self) -> bool {
        matches!(self, Self::FirstPageAgain | Self::SamePageAgain | Self::EmptyPage | Self::EntriesAgain)
    }

    /// What becomes of a request at this instant by the provider's clock. `None` where the fault is of pages and it asks
    /// for none, or none was seen before.
    pub(crate) fn act(self, asked: &Asked, now: Timestamp, pages: &Pages) -> Option<Act> {
        let limit = |said: &str| Act::Reply(Reply::json(429, "{}").header("retry-after", said));
        let date = |seconds| http_date(now + SignedDuration::from_secs(seconds));
        let form = |form| Act::Edit(asked.target(), Box::new(move |reply: &mut Reply| reply.form = form));
        Some(match self {
            Self::LimitUnsaid => Act::Reply(Reply::json(429, "{}")),
            Self::LimitForSeconds => limit("7"),
            Self::LimitUntilDate => limit(&date(31)),
            Self::LimitUntilNow => limit("0"),
            Self::LimitUntilPast => limit(&date(-3600)),
            Self::LimitNegative => limit("-5"),
            Self::LimitGarbage => limit("soon"),
            Self::LimitAbsurd => limit("99999999999999999999"),
            Self::LimitForMinutes => limit("150"),
            Self::Status(status) => Act::Reply(Reply::json(status, r#"{"message":"out of order"}"#)),
            Self::UnavailableForSeconds => Act::Reply(Reply::json(503, "{}").header("retry-after", 9)),
            Self::NoAnswer => Act::Reply(Reply::json(200, "").form(Form::Closed)),
            Self::Reset => form(Form::Reset),
            Self::Cut => form(Form::Cut),
            Self::CutCompressed => Act::Edit(asked.target(), Box::new(cut_compressed)),
            Self::Silence => form(Form::Silence),
            Self::Drip => form(Form::Drip(Duration::from_secs(20))),
            Self::Bomb => Act::Reply(Reply { body: BOMB.clone(), ..compressed() }),
            Self::NotCompressed => Act::Reply(Reply { body: b"{\"data\": []}".to_vec(), ..compressed() }),
            Self::Announced => Act::Reply(Reply::json(200, "[[").form(Form::Announced(2 << 30))),
            Self::HalfJson => {
                Act::Edit(asked.target(), Box::new(|reply: &mut Reply| reply.body.truncate(reply.body.len() / 2)))
            }
            Self::WebPage => Act::Reply(Reply::html()),
            Self::Empty => Act::Reply(Reply::json(200, "")),
            Self::Null => Act::Reply(Reply::json(200, "null")),
            Self::FirstPageAgain => Act::Ask(without(&asked.target(), pages.list_of(asked)?.cursor)),
            Self::SamePageAgain => Act::Ask(pages.before(asked)?.target),
            Self::EmptyPage => {
                let (empty, target) = (pages.list_of(asked)?.empty, asked.target());
                Act::Edit(target.clone(), Box::new(move |reply: &mut Reply| empty(reply, &target)))
            }
            Self::EntriesAgain => {
                let (pointer, before) = (pages.list_of(asked)?.entries, pages.before(asked)?.entries);
                Act::Edit(asked.target(), Box::new(move |reply: &mut Reply| prepend(reply, pointer, &before)))
            }
        })
    }
}

fn compressed() -> Reply {
    Reply::json(200, "").header("content-encoding", "gzip")
}

fn cut_compressed(reply: &mut Reply) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&reply.body).expect("memory");
    reply.body = encoder.finish().expect("memory");
    reply.body.truncate(reply.body.len() / 2);
    reply.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
}

fn prepend(reply: &mut Reply, pointer: &str, before: &[Json]) {
    let mut body: Json = serde_json::from_slice(&reply.body).unwrap_or_default();
    if let Some(Json::Array(entries)) = body.pointer_mut(pointer).filter(|entries| **entries != json!([])) {
        entries.splice(0..0, before.iter().cloned());
        reply.body = body.to_string().into_bytes();
    }
}

/// The pages of lists that went through: what the one before was asked for with, and what it held.
#[derive(Default)]
pub(crate) struct Pages {
    lists: Vec<List>,
    seen: Arc<Mutex<HashMap<String, Page>>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Page {
    target: String,
    entries: Vec<Json>,
}

impl Pages {
    pub(crate) fn of(lists: &[List]) -> Self {
        Self { lists: lists.to_vec(), ..Self::default() }
    }

    /// The request with smaller pages, where it asks for one.
    pub(crate) fn smaller(&self, asked: &Asked, entries: u32) -> Asked {
        match self.lists.iter().find(|list| (list.is)(&asked.path) && asked.has(list.size)) {
            Some(list) => asked.with_target(&small(&asked.target(), list.size, entries)),
            None => asked.clone(),
        }
    }

    /// The list of which a page after the first is asked for.
    fn list_of(&self, asked: &Asked) -> Option<&List> {
        let is_later = |list: &&List| asked.has(list.cursor) && !is_first(asked, list.cursor);
        self.lists.iter().filter(|list| (list.is)(&asked.path)).find(is_later)
    }

    fn before(&self, asked: &Asked) -> Option<Page> {
        let list = without(&asked.target(), self.list_of(asked)?.cursor);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&list).cloned()
    }

    /// Forwards a request and remembers the page.
    pub(crate) fn forward(&self, asked: &Asked) -> Act {
        let Some(list) = self.lists.iter().find(|list| (list.is)(&asked.path)) else { return Act::Forward };
        let (key, pointer, seen) = (without(&asked.target(), list.cursor), list.entries, self.seen.clone());
        let target = asked.target();
        let note = move |reply: &mut Reply| {
            let body: Json = serde_json::from_slice(&reply.body).unwrap_or_default();
            let entries = body.pointer(pointer).and_then(Json::as_array).cloned().unwrap_or_default();
            seen.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Page { target: target.clone(), entries });
        };
        Act::Edit(asked.target(), Box::new(note))
    }
}
