//! C48: what an integration makes of answers whose form has changed.
//!
//! The answers to an undisturbed read are walked, and at each place in them a field is taken away, made null or given a word
//! that nobody knows, in all answers of an endpoint at once. What comes of it is the same as ever, or what is lost says so:
//! never another number. Places that nobody looks at are found many at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use dashtray::{
    integrations::Outcome,
    metric::{FailureKind, Period},
};
use serde_json::{Value as Json, json};

use super::bronze::fronted;
use crate::conformance::{
    direct::{Direct, Fetched, Options},
    front::{Act, Front, Reply},
    stand::{Account, Drift, Stand},
};

type Checked = Result<(), String>;

/// A word that no provider has.
const UNHEARD_OF: &str = "unheard_of";
/// How many days are read.
const DAYS: i32 = 3;
/// Where so many different words stand at one place they are names, not values of an enum.
const MOST_WORDS: usize = 12;

/// A place in the answers of an endpoint: names of fields, and `*` for every entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    endpoint: String,
    path: String,
}

/// What stands at a place.
#[derive(Debug, Default)]
struct Found {
    is_field: bool,
    /// The streams that ask for it.
    streams: BTreeSet<String>,
    /// All texts, as long as they are few and none is anything but a word.
    words: Option<BTreeSet<String>>,
    other_than_text: bool,
}

/// C48
pub(crate) async fn sees_drift(stand: &Stand) -> Checked {
    let (_provider, front) = fronted(stand, Account::Small).await?;
    front.remembers();
    let streams: BTreeSet<String> =
        stand.integration.descriptor().streams.iter().map(|stream| stream.id.clone()).collect();
    let undisturbed = read(stand, &front, &streams).await?;
    undisturbed.is_whole(&undisturbed).map_err(|why| format!("even an undisturbed read: {why}"))?;
    ensure!(!undisturbed.facts.is_empty(), "the account has no values; nothing could be judged by it");
    let mut places = BTreeMap::new();
    for stream in &streams {
        survey(stand, &front, stream, &mut places).await?;
    }
    ensure!(places.values().any(|found| found.is_field), "its answers have no fields");
    grows(stand, &front, &streams, &undisturbed).await?;
    let asking = asking(&places);
    let mut run = Run { stand, front: &front, asking, undisturbed: BTreeMap::from([(streams, undisturbed)]) };
    let (mut wrong, mut read) = (Vec::new(), BTreeSet::new());
    for drift in [Drift::Removed, Drift::Null, Drift::Word] {
        let may_be = places.iter().filter(|(_, found)| found.may(drift)).map(|(place, _)| place.clone());
        // What is read is looked at place by place; of what is not, all goes together once more.
        let (known, others): (Vec<Place>, Vec<Place>) = may_be.partition(|place| read.contains(place));
        let groups = known.into_iter().map(|place| vec![place]).chain([others]);
        let (found, faults) = run.sift(drift, groups.collect()).await?;
        read.extend(found);
        wrong.extend(faults);
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n    "));
    Ok(())
}

/// Reads the last days: few, since it is done for each field.
async fn read(stand: &Stand, front: &Front, streams: &BTreeSet<String>) -> Result<Fetched, String> {
    let end = stand.period().end();
    let period = Some(Period::new(end.plus(-DAYS), end));
    let options = Options { period, streams: Some(streams.clone()), ..Options::default() };
    let fetched = Direct::open_with(stand, &front.url, &stand.valid, options)?.fetch().await;
    ensure!(!front.overrun(), "it asks without end");
    front.take();
    Ok(fetched)
}

/// A field that is new everywhere changes nothing.
async fn grows(stand: &Stand, front: &Front, streams: &BTreeSet<String>, undisturbed: &Fetched) -> Checked {
    front.rule(|asked| Act::Edit(asked.target(), Box::new(|reply| edit(reply, grow))));
    let grown = read(stand, front, streams).await?;
    grown.is_whole(undisturbed).map_err(|why| format!("with a new field everywhere: {why}"))
}

fn grow(value: &mut Json) {
    match value {
        Json::Array(list) => list.iter_mut().for_each(grow),
        Json::Object(fields) => {
            fields.values_mut().for_each(grow);
            // What is listed by currency is data, and has no fields.
            if !fields.is_empty() && fields.keys().all(|name| name.len() == 3) {
                return;
            }
            fields.insert(UNHEARD_OF.to_owned(), json!({ "of": [UNHEARD_OF, null, 1] }));
        }
        _ => {}
    }
}

impl Found {
    fn may(&self, drift: Drift) -> bool {
        match drift {
            Drift::Removed => self.is_field,
            Drift::Null => true,
            Drift::Word => !self.other_than_text && self.words.as_ref().is_some_and(|words| !words.is_empty()),
        }
    }
}

/// Which streams ask which endpoint.
fn asking(places: &BTreeMap<Place, Found>) -> BTreeMap<String, BTreeSet<String>> {
    let mut asking: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (place, found) in places {
        asking.entry(place.endpoint.clone()).or_default().extend(found.streams.iter().cloned());
    }
    asking
}

/// Notes where there is what in the answers that a stream asks for.
async fn survey(stand: &Stand, front: &Front, stream: &str, all: &mut BTreeMap<Place, Found>) -> Checked {
    let places: Arc<Mutex<BTreeMap<Place, Found>>> = Arc::default();
    let noted = places.clone();
    front.rule(move |asked| {
        let (noted, path) = (noted.clone(), asked.path.clone());
        let note = move |reply: &mut Reply| {
            let Ok(body) = serde_json::from_slice::<Json>(&reply.body) else { return };
            let endpoint = endpoint(&path, &body);
            let mut places = noted.lock().unwrap_or_else(PoisonError::into_inner);
            walk(&body, &mut String::new(), false, &mut |path, value, is_field| {
                let place = Place { endpoint: endpoint.clone(), path: path.to_owned() };
                places.entry(place).or_default().see(value, is_field);
            });
        };
        Act::Edit(asked.target(), Box::new(note))
    });
    read(stand, front, &BTreeSet::from([stream.to_owned()])).await?;
    let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
    for (place, found) in std::mem::take(&mut *places) {
        let known = all.entry(place).or_default();
        known.join(found);
        known.streams.insert(stream.to_owned());
    }
    Ok(())
}

impl Found {
    fn join(&mut self, other: Self) {
        self.is_field |= other.is_field;
        self.other_than_text |= other.other_than_text;
        if let Some(words) = other.words {
            self.words.get_or_insert_default().extend(words);
        }
    }

    fn see(&mut self, value: &Json, is_field: bool) {
        self.is_field |= is_field;
        match value {
            Json::Null => {}
            Json::String(text) => {
                let words = self.words.get_or_insert_default();
                words.insert(text.clone());
                self.other_than_text |= words.len() > MOST_WORDS || !is_word(text);
            }
            _ => self.other_than_text = true,
        }
    }
}

/// A value of an enum looks like this.
fn is_word(text: &str) -> bool {
    (2..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b' '))
}

/// The path of an endpoint, whatever it is asked about.
fn endpoint(path: &str, body: &Json) -> String {
    let is_id = |segment: &str| {
        body["id"].as_str() == Some(segment)
            || segment.contains('_') && segment.bytes().any(|byte| byte.is_ascii_digit())
    };
    let segments = path.split('/').map(|segment| if is_id(segment) { "{id}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// Goes through all values below, with the path of each and whether it is the field of an object.
fn walk(value: &Json, path: &mut String, is_field: bool, see: &mut impl FnMut(&str, &Json, bool)) {
    see(path, value, is_field);
    let length = path.len();
    match value {
        Json::Array(list) => {
            path.push_str("/*");
            list.iter().for_each(|value| walk(value, path, false, see));
        }
        Json::Object(fields) => {
            for (name, value) in fields {
                path.push('/');
                path.push_str(name);
                walk(value, path, true, see);
                path.truncate(length);
            }
        }
        _ => {}
    }
    path.truncate(length);
}

/// Reads of answers that are spoiled somewhere.
struct Run<'a> {
    stand: &'a Stand,
    front: &'a Front,
    /// Which streams ask which endpoint. Others are not read.
    asking: BTreeMap<String, BTreeSet<String>>,
    /// What some streams come to that are read alone.
    undisturbed: BTreeMap<BTreeSet<String>, Fetched>,
}

impl Run<'_> {
    /// What is wrong where answers drift at any one of these places. Where a read does not care about many of them at once,
    /// it does not about each.
    /// Gives the places that make a difference, too.
    async fn sift(&mut self, drift: Drift, mut open: Vec<Vec<Place>>) -> Result<(Vec<Place>, Vec<String>), String> {
        let (mut looked_at, mut wrong) = (Vec::new(), Vec::new());
        while let Some(mut places) = open.pop() {
            if places.is_empty() {
                continue;
            }
            let streams: BTreeSet<String> =
                places.iter().filter_map(|place| self.asking.get(&place.endpoint)).flatten().cloned().collect();
            if !self.undisturbed.contains_key(&streams) {
                self.front.rule(|_| Act::Forward);
                let alone = read(self.stand, self.front, &streams).await?;
                alone.is_whole(&alone).map_err(|why| format!("even an undisturbed read of {streams:?}: {why}"))?;
                self.undisturbed.insert(streams.clone(), alone);
            }
            let fetched = self.read(drift, &places, &streams).await?;
            let undisturbed = &self.undisturbed[&streams];
            if fetched.is_whole(undisturbed).is_ok() {
                continue;
            }
            if places.len() > 1 {
                let rest = places.split_off(places.len() / 2);
                open.extend([rest, places]);
                continue;
            }
            let place = &places[0];
            if !self.stand.optional.iter().any(|one| one.is(drift, &place.endpoint, &place.path)) {
                let why = judge(place, &fetched, undisturbed).err();
                wrong.extend(why.map(|why| format!("{} {}: {drift:?}: {why}", place.endpoint, place.path)));
            }
            looked_at.append(&mut places);
        }
        Ok((looked_at, wrong))
    }

    async fn read(&self, drift: Drift, places: &[Place], streams: &BTreeSet<String>) -> Result<Fetched, String> {
        let mut spoiled: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for place in places {
            spoiled.entry(place.endpoint.clone()).or_default().insert(place.path.clone());
        }
        let spoiled = Arc::new(spoiled);
        self.front.rule(move |asked| {
            let (spoiled, path) = (spoiled.clone(), asked.path.clone());
            let spoil = move |reply: &mut Reply| {
                edit(reply, |body| {
                    if let Some(paths) = spoiled.get(&endpoint(&path, body)) {
                        drift_at(body, &mut String::new(), paths, drift);
                    }
                });
            };
            Act::Edit(asked.target(), Box::new(spoil))
        });
        read(self.stand, self.front, streams).await
    }
}

/// Whatever is lost is lost for the reason, and nothing else is told in its place.
fn judge(place: &Place, fetched: &Fetched, undisturbed: &Fetched) -> Checked {
    fetched.is_honest(undisturbed)?;
    let failures = fetched.outcomes.values().filter_map(|outcome| match outcome {
        Outcome::Failed(error) => Some(error),
        _ => None,
    });
    for error in failures.chain(&fetched.fatal) {
        ensure!(error.kind() == FailureKind::InvalidResponse, "it is called {:?}: {error}", error.kind());
        // What is said in the integration's own words says enough; a decoder's words are nothing without the name.
        let (text, name) = (error.to_string(), place.path.rsplit('/').find(|name| *name != "*"));
        let is_named = !text.contains("not as documented") || text.contains(name.unwrap_or_default());
        ensure!(is_named, "the error does not name it: {error}");
    }
    Ok(())
}

fn edit(reply: &mut Reply, change: impl FnOnce(&mut Json)) {
    if let Ok(mut body) = serde_json::from_slice::<Json>(&reply.body) {
        change(&mut body);
        reply.body = body.to_string().into_bytes();
    }
}

/// Spoils whatever lies at these paths.
fn drift_at(value: &mut Json, path: &mut String, paths: &BTreeSet<String>, drift: Drift) {
    let length = path.len();
    match value {
        Json::Array(list) => {
            path.push_str("/*");
            for value in list.iter_mut() {
                drift_at(value, path, paths, drift);
            }
        }
        Json::Object(fields) => {
            fields.retain(|name, value| {
                path.push('/');
                path.push_str(name);
                let is_kept = drift != Drift::Removed || !paths.contains(path);
                if is_kept {
                    drift_at(value, path, paths, drift);
                }
                path.truncate(length);
                is_kept
            });
        }
        _ => {}
    }
    path.truncate(length);
    if paths.contains(path) {
        match drift {
            Drift::Removed => {}
            Drift::Null => *value = Json::Null,
            Drift::Word if value.is_string() => *value = json!(UNHEARD_OF),
            Drift::Word => {}
        }
    }
}
