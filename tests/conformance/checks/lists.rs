//! Lists that do not behave: C24, and what comes more than once: C25.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value as Json, json};

use super::bronze::{clean, fronted};
use crate::conformance::{
    direct::Direct,
    front::{Act, Asked, Form, Front, Reply},
    stand::{Account, List, Stand},
};

/// How a quotation mark stands in a query.
const QUOTE: &str = "%22";
/// Entries of a page, so that every list has many.
const PER_PAGE: u32 = 3;

/// What is done to the second page of a list, and later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// Pages are shorter than was asked for. Nothing else: all of it must be read.
    ShortPages,
    /// Two faults pass before the second page comes. All of it must be read.
    PassingFault,
    /// The first page comes again and again.
    RepeatingPage,
    /// The page after the second is the second.
    RepeatingCursor,
    /// The second page has nothing, and says that there are more.
    EmptyMiddle,
    /// The second page breaks off on the wire.
    Cut,
    /// The second page breaks off, and its length says that it is whole.
    HalfJson,
    /// In place of the second page comes a sign-in.
    WebPage,
    /// From the second page on the list is said to be shorter.
    ShrinkingTotal,
}

const HARMS: [Harm; 9] = [
    Harm::ShortPages,
    Harm::PassingFault,
    Harm::RepeatingPage,
    Harm::RepeatingCursor,
    Harm::EmptyMiddle,
    Harm::Cut,
    Harm::HalfJson,
    Harm::WebPage,
    Harm::ShrinkingTotal,
];

/// C24
pub(crate) async fn are_never_silently_short(stand: &Stand) -> Result<(), String> {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    let undisturbed = clean(stand, &front).await?;
    ensure!(!stand.lists.is_empty(), "the stand names no list");
    for list in &stand.lists {
        for harm in HARMS {
            if harm == Harm::ShrinkingTotal && list.total.is_none() {
                announces_nothing(stand, list, &front).await?;
                continue;
            }
            let harmed = harmful(&front, list, harm);
            let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
            let done = harmed.load(Ordering::Relaxed);
            ensure!(
                done > 0,
                "{harm:?} of {} was never met: the list is too short, or its pages are not read",
                list.name
            );
            ensure!(!front.overrun(), "{harm:?} of {} is followed for ever", list.name);
            let judged = match harm {
                Harm::ShortPages | Harm::PassingFault => fetched.is_whole(&undisturbed),
                _ => fetched.is_honest(&undisturbed),
            };
            judged.map_err(|why| format!("{harm:?} of {}: {why}", list.name))?;
            front.take();
        }
    }
    Ok(())
}

/// Sets the front up; gives how often it did harm.
fn harmful(front: &Front, list: &List, harm: Harm) -> Arc<AtomicUsize> {
    let done = Arc::new(AtomicUsize::new(0));
    let counted = done.clone();
    let (is, size, cursor, empty, total) = (list.is, list.size, list.cursor, list.empty, list.total);
    // Per endpoint: what the second page was asked for with. Lists of several repositories are several lists.
    let second: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
    front.rule(move |asked| {
        let target = small(&asked.target(), size, PER_PAGE);
        if !is(&asked.path) || !asked.has(size) {
            return Act::Forward;
        }
        let again = target.contains("inserted");
        let target = target.replace("&inserted=1", "").replace("inserted-", "");
        let note = || counted.fetch_add(1, Ordering::Relaxed);
        if harm == Harm::ShortPages {
            note();
            return Act::Ask(target);
        }
        if !asked.has(cursor) || is_first(asked, cursor) {
            return Act::Ask(target);
        }
        let known = {
            let mut second = second.lock().unwrap_or_else(PoisonError::into_inner);
            let list = without(&target, cursor);
            match second.iter().find(|(of, _)| *of == list) {
                Some((_, first)) => Some(first.clone()),
                None => {
                    second.push((list, target.clone()));
                    None
                }
            }
        };
        let is_second = known.as_ref().is_none_or(|known| *known == target);
        match harm {
            Harm::ShortPages => Act::Ask(target),
            Harm::PassingFault if counted.load(Ordering::Relaxed) < 2 => {
                note();
                Act::Reply(Reply::json(503, "{}"))
            }
            Harm::RepeatingPage => {
                note();
                Act::Ask(without(&target, cursor))
            }
            Harm::RepeatingCursor => match known {
                Some(known) => {
                    note();
                    Act::Ask(known)
                }
                None => Act::Ask(target),
            },
            Harm::EmptyMiddle if is_second && !again => {
                note();
                let own = target.clone();
                Act::Edit(target, Box::new(move |reply| empty(reply, &own)))
            }
            Harm::Cut if is_second => {
                note();
                Act::Edit(target, Box::new(|reply| reply.form = Form::Cut))
            }
            Harm::HalfJson if is_second => {
                note();
                Act::Edit(target, Box::new(|reply| reply.body.truncate(reply.body.len() / 2)))
            }
            Harm::WebPage if is_second => {
                note();
                Act::Reply(Reply::html())
            }
            Harm::ShrinkingTotal => {
                note();
                Act::Edit(target, Box::new(move |reply| shrink(reply, total.unwrap_or_default())))
            }
            _ => Act::Ask(target),
        }
    });
    done
}

/// C25
pub(crate) async fn count_nothing_twice(stand: &Stand) -> Result<(), String> {
    let (_provider, front) = fronted(stand, Account::Busy).await?;
    let undisturbed = clean(stand, &front).await?;
    for list in &stand.lists {
        for (what, entries) in [("the last entry", 1), ("all entries", usize::MAX)] {
            let done = repeats(&front, list, entries, PER_PAGE);
            let fetched = Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
            let what = format!("{what} of a page of {} once more on the next", list.name);
            ensure!(done.load(Ordering::Relaxed) > 0, "{what}: it was never met");
            ensure!(!front.overrun(), "{what}: it does not end");
            fetched.is_whole(&undisturbed).map_err(|why| format!("{what}: {why}"))?;
            front.take();
        }
    }
    // The whole account once more, by who has it already.
    front.behave();
    let direct = Direct::open(stand, &front.url, &stand.valid)?;
    for time in ["once", "twice"] {
        direct.fetch().await.is_whole(&undisturbed).map_err(|why| format!("read {time}: {why}"))?;
    }
    Ok(())
}

/// Lets each page of a list, which are small, begin with the last entries of the page before, as in a list that grows while
/// it is read. Gives how often it did.
pub(crate) fn repeats(front: &Front, list: &List, entries: usize, per_page: u32) -> Arc<AtomicUsize> {
    let done = Arc::new(AtomicUsize::new(0));
    let (is, size, cursor, pointer) = (list.is, list.size, list.cursor, list.entries);
    // By list: lists of several repositories, or of several periods, are several lists.
    let before: Arc<Mutex<HashMap<String, Vec<Json>>>> = Arc::default();
    let counted = done.clone();
    front.rule(move |asked| {
        if !is(&asked.path) || !asked.has(size) {
            return Act::Forward;
        }
        let target = small(&asked.target(), size, per_page);
        let (list, is_first) = (without(&target, cursor), !asked.has(cursor) || is_first(asked, cursor));
        let (before, counted) = (before.clone(), counted.clone());
        let repeat = move |reply: &mut Reply| {
            let mut body: Json = serde_json::from_slice(&reply.body).unwrap_or_default();
            let Some(Json::Array(shown)) = body.pointer_mut(pointer) else { return };
            let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
            let of_this = shown.clone();
            let known =
                before.insert(list, of_this).filter(|known| !is_first && !known.is_empty() && !shown.is_empty());
            if let Some(known) = known {
                let again = &known[known.len().saturating_sub(entries)..];
                shown.splice(0..0, again.iter().cloned());
                counted.fetch_add(1, Ordering::Relaxed);
                reply.body = body.to_string().into_bytes();
            }
        };
        Act::Edit(target, Box::new(repeat))
    });
    done
}

/// Whether the request asks by number for the first page.
pub(crate) fn is_first(asked: &Asked, cursor: &str) -> bool {
    asked.query.split('&').any(|pair| pair == format!("{cursor}=1"))
}

/// The request with pages of so many entries at most.
pub(crate) fn small(target: &str, size: &str, entries: u32) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').map(|pair| match pair.split_once('=').filter(|(key, _)| *key == size) {
        Some((_, given)) => {
            // In a JSON body a number may be a text.
            let quote = if given.starts_with(QUOTE) { QUOTE } else { "" };
            let number = given.trim_start_matches(QUOTE).trim_end_matches(QUOTE);
            let is_more = number.parse().is_ok_and(|number: u32| number > entries);
            if is_more { format!("{size}={quote}{entries}{quote}") } else { pair.to_owned() }
        }
        None => pair.to_owned(),
    });
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// The request without the parameter.
pub(crate) fn without(target: &str, parameter: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| pair.split('=').next() != Some(parameter));
    format!("{path}?{}", pairs.collect::<Vec<_>>().join("&"))
}

fn shrink(reply: &mut Reply, pointer: &str) {
    let mut body: Json = serde_json::from_slice(&reply.body).unwrap_or_default();
    if let Some(total) = body.pointer_mut(pointer) {
        *total = json!(total.as_i64().unwrap_or_default() / 2);
    }
    reply.body = body.to_string().into_bytes();
}

/// The honest branch where a list has no total: that there is none.
async fn announces_nothing(stand: &Stand, list: &List, front: &Front) -> Result<(), String> {
    let is = list.is;
    let seen: Arc<Mutex<Option<String>>> = Arc::default();
    let noted = seen.clone();
    front.rule(move |asked| {
        if !is(&asked.path) {
            return Act::Forward;
        }
        let noted = noted.clone();
        let look = move |reply: &mut Reply| {
            let body: Json = serde_json::from_slice(&reply.body).unwrap_or_default();
            let fields = body.as_object().into_iter().flat_map(|fields| fields.keys());
            let total = fields.into_iter().find(|key| key.contains("total") || key.as_str() == "count");
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = total.cloned();
        };
        Act::Edit(asked.target(), Box::new(look))
    });
    Direct::open(stand, &front.url, &stand.valid)?.fetch().await;
    front.take();
    let total = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ensure!(total.is_none(), "{} announces {total:?}; the stand must say so", list.name);
    Ok(())
}
