//! What events tell of customers.

use serde::{Deserialize, de::IgnoredAny};

use super::super::{
    answers::{Event, Id},
    api::{self, Listing},
    feed::Cursor,
    sweep::{Reading, Span, Sweep},
};
use crate::http::{Error, Http};

const KINDS: [&str; 5] = [
    "customer.created",
    "customer.deleted",
    "customer.discount.created",
    "customer.discount.updated",
    "customer.discount.deleted",
];

/// Something that happened to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Happened {
    /// The event's id.
    pub(super) event: String,
    /// When it happened.
    pub(super) at: i64,
    pub(super) customer: String,
    /// When the customer was created; zero where only its discount changed.
    pub(super) born_at: i64,
    pub(super) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Created,
    /// Its discount may be another one.
    Discounted,
    Deleted,
}

/// What an event is about: a customer, or a discount.
#[derive(Debug, Deserialize)]
struct Object {
    id: String,
    /// Of a customer.
    created: Option<i64>,
    discount: Option<IgnoredAny>,
    /// Customers of a test clock are in no list.
    test_clock: Option<IgnoredAny>,
    /// Whose discount it is.
    customer: Option<Id>,
    /// Set where the discount is not the customer's own.
    subscription: Option<Id>,
    subscription_item: Option<Id>,
}

/// Where to follow events from on; `None` where they may not be read.
pub(super) async fn from_now_on(http: &Http) -> Result<Option<Cursor>, Error> {
    Ok(api::if_readable(api::newest_event(http, &KINDS)).await?.map(Cursor::after))
}

/// What happened since, oldest first, and where to go on; `None` where events may not be read.
pub(super) async fn since(http: &Http, cursor: &Cursor) -> Result<Option<(Vec<Happened>, Cursor)>, Error> {
    let (mut happened, mut next) = (Vec::new(), cursor.clone());
    let mut reading = Reading::new(http, list, Sweep::of(cursor.span()));
    loop {
        let Some(page) = api::if_readable(reading.next()).await? else { return Ok(None) };
        let Some(page) = page else { break };
        for event in page.iter().filter(|event| cursor.is_new(&event.id, event.created)) {
            tell(event, &mut happened)?;
            next.take(event);
        }
    }
    next.trim();
    happened.sort_by_key(|happened| (happened.at, happened.what));
    Ok(Some((happened, next)))
}

fn list(http: &Http, span: Span, after: Option<&str>) -> Listing<Event> {
    api::events(http, &KINDS, span, after)
}

fn tell(event: &Event, happened: &mut Vec<Happened>) -> Result<(), Error> {
    if !KINDS.contains(&event.kind.as_str()) {
        // Not what was asked for, and so nobody's concern.
        return Ok(());
    }
    let object: Object = serde_json::from_str(event.data.object.get())
        .map_err(|_| Error::invalid_response("what an event of a customer is about cannot be read"))?;
    let mut note = |customer: &str, born_at, what| {
        let (event, at) = (event.id.clone(), event.created);
        happened.push(Happened { event, at, customer: customer.to_owned(), born_at, what });
    };
    let born_at =
        || object.created.ok_or_else(|| Error::invalid_response("an event's customer has no field \"created\""));
    match event.kind.as_str() {
        _ if object.test_clock.is_some() => {}
        "customer.created" => {
            note(&object.id, born_at()?, What::Created);
            if object.discount.is_some() {
                note(&object.id, 0, What::Discounted);
            }
        }
        "customer.deleted" => note(&object.id, born_at()?, What::Deleted),
        _ if object.subscription.is_some() || object.subscription_item.is_some() => {}
        _ => {
            if let Some(customer) = object.customer {
                note(&customer.0, 0, What::Discounted);
            }
        }
    }
    Ok(())
}
