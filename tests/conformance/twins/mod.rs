//! The suite, judged: a twin that is right passes all of it, and each that is broken is caught by the item that is
//! there for it.

mod flaw;
mod numbers;
mod provider;
mod sales;
mod twin;
mod ways;

use std::{collections::BTreeSet, sync::Arc};

use super::{
    ITEMS, Item,
    front::Reply,
    run,
    stand::{
        Endpoint, Fields, List, Stand, field, now,
        numbers::{Form, Happenings, Switches, Takings},
    },
};
use flaw::Flaw;
use twin::{EVENTS, Twin};

fn stand(flaw: Flaw) -> Stand {
    let token = |token: &str| -> Fields { field("token", token) };
    Stand {
        integration: Arc::new(Twin(flaw)),
        now: now(),
        settings: serde_json::Map::new(),
        valid: token(provider::TOKEN),
        fake: token(provider::WRONG),
        without: vec![("users", token(provider::NO_USERS)), ("billing", token(provider::NO_BILLING))],
        start: provider::start,
        endpoint: Endpoint { is: |path| path == "/things", feeds: &[EVENTS] },
        lists: vec![List {
            name: "things",
            is: |path| path == "/things",
            size: "size",
            cursor: "cursor",
            entries: "/things",
            empty,
            total: Some("/total"),
            gone: None,
        }],
        throttles: vec![Reply::json(400, r#"{"message":"please slow down"}"#)],
        optional: &[],
        happenings: Happenings { metric: sales::ORDERS, start: provider::ordering },
        takings: Some(Takings { form: Form::Minor, metric: sales::SALES, mixes: true, start: provider::taking }),
        switches: Some(Switches { metric: sales::SALES, numbers: &[] }),
    }
}

/// An empty page that leads to the one that should have come.
fn empty(page: &mut Reply, asked: &str) {
    let mut body: serde_json::Value = serde_json::from_slice(&page.body).unwrap_or_default();
    let own = asked.split("cursor=").nth(1).and_then(|rest| rest.split('&').next()).unwrap_or_default();
    body["things"] = serde_json::json!([]);
    body["next"] = serde_json::json!(format!("inserted-{own}"));
    page.body = body.to_string().into_bytes();
}

fn item(id: &str) -> &'static Item {
    ITEMS.iter().find(|item| item.id == id).expect("an item of the list")
}

/// Which item must catch which flaw.
#[rustfmt::skip]
const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::NoSummary, "C01"), (Flaw::UnknownStream, "C01"),
    (Flaw::NoPrefix, "C02"), (Flaw::SameIdTwice, "C02"),
    (Flaw::SecretAsText, "C03"), (Flaw::NoHelp, "C03"),
    (Flaw::WildcardHost, "C04"), (Flaw::PlainHttp, "C04"),
    (Flaw::RatioOfCounts, "C05"),
    (Flaw::RetriesRefusals, "C06"),
    (Flaw::EmptyGuide, "C07"),
    (Flaw::NoLimits, "C08"), (Flaw::NoCost, "C08"),
    (Flaw::TakesAnyKey, "C10"), (Flaw::HidesMissingScope, "C10"),
    (Flaw::TestWantsMore, "C11"),
    (Flaw::AnotherAccountEachTime, "C12"),
    (Flaw::LeavesADayOut, "C13"), (Flaw::AnswersTwice, "C13"), (Flaw::OutsideThePeriod, "C13"), (Flaw::SaysNothing, "C13"),
    (Flaw::DaysForWeeks, "C13"), (Flaw::LeavesAWeekOut, "C13"),
    (Flaw::AllFailTogether, "C14"), (Flaw::CallsMissingScopeUnknown, "C14"),
    (Flaw::ZerosForFailures, "C15"), (Flaw::GapForNothing, "C15"),
    (Flaw::Swallows401, "C16"), (Flaw::RetriesRefusals, "C16"),
    (Flaw::SecretInError, "C17"), (Flaw::SecretInLog, "C17"), (Flaw::SecretInMetadata, "C17"),
    (Flaw::SecretInPanic, "C17"), (Flaw::SecretInCheckEncoded, "C17"),
    (Flaw::AnotherTimeOtherwise, "C18"),
    (Flaw::OwnSocket, "C19"),
    (Flaw::IgnoresRetryAfter, "C20"),
    (Flaw::RetriesByItself, "C21"),
    (Flaw::TakesLimitForAnswer, "C22"),
    (Flaw::IgnoresLimits, "C23"),
    (Flaw::FirstPageOnly, "C24"), (Flaw::FollowsForEver, "C24"),
    (Flaw::EmptyPageIsTheEnd, "C24"),
    (Flaw::CountsTwice, "C25"),
    (Flaw::CheckpointBeforeData, "C26"), (Flaw::CheckpointPastFailure, "C26"),
    (Flaw::ReadsOn, "C27"),
    (Flaw::LogsByItself, "C29"), (Flaw::StaysDown, "C29"),
    (Flaw::ZerosForFailures, "C28"), (Flaw::IgnoresRetryAfter, "C06"),
    (Flaw::DividesYen, "C40"), (Flaw::AddsCurrencies, "C40"), (Flaw::TakesCentsForUnits, "C41"),
    (Flaw::CountsAnHourTwice, "C42"), (Flaw::LosesTheFirstHour, "C42"),
    (Flaw::TakesAnyStatusForPaid, "C48"), (Flaw::MissingIsZero, "C48"),
    (Flaw::SwitchWithoutEffect, "C49"), (Flaw::DoesNotAddUp, "C49"),
    // How a sign-in is kept is the host's; what an integration can do is to have one that nobody can try.
    (Flaw::UntriedSignIn, "C30"), (Flaw::UntriedSignIn, "C31"), (Flaw::UntriedSignIn, "C32"), (Flaw::UntriedSignIn, "C33"),
    (Flaw::UntriedSignIn, "C34"), (Flaw::UntriedSignIn, "C35"), (Flaw::UntriedSignIn, "C36"),
    (Flaw::BoundaryDayTwice, "C43"), (Flaw::OutsideThePeriod, "C43"),
    (Flaw::SkipsWhatIsOlder, "C44"), (Flaw::BoundaryDayTwice, "C44"),
    (Flaw::KeepsFirstReading, "C45"), (Flaw::RewritesSettled, "C45"), (Flaw::SettlesAtOnce, "C45"),
    (Flaw::NeverSettles, "C45"),
    (Flaw::ZerosBeyondRetention, "C46"), (Flaw::PromisesTooMuch, "C46"),
    (Flaw::SnapshotAsFlow, "C50"), (Flaw::SumsVisitors, "C50"), (Flaw::SharesInHundredths, "C50"),
];

#[test]
fn the_twin_without_a_flaw_passes_everything() {
    let failed: Vec<String> = ITEMS
        .iter()
        .filter_map(|item| Some(format!("{}: {}", item.id, run(item, &stand(Flaw::None)).err()?)))
        .collect();
    assert!(failed.is_empty(), "the suite finds fault where there is none:\n  {}", failed.join("\n  "));
}

#[test]
fn every_broken_twin_is_caught() {
    let mut missed = Vec::new();
    for (flaw, id) in FLAWS {
        if run(item(id), &stand(*flaw)).is_ok() {
            missed.push(format!("{flaw:?} by {id}"));
        }
    }
    assert!(missed.is_empty(), "not caught: {}", missed.join(", "));
}

#[test]
fn every_item_has_a_twin_that_it_catches() {
    let caught: BTreeSet<&str> = FLAWS.iter().map(|(_, id)| *id).collect();
    let without: Vec<&str> = ITEMS.iter().map(|item| item.id).filter(|id| !caught.contains(id)).collect();
    assert!(without.is_empty(), "no twin is broken in the way of {}", without.join(", "));
}
