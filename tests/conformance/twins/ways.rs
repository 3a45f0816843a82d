//! The ways in which a twin reads its list.

use std::collections::BTreeMap;

use dashtray::{
    http::{Answer as HttpAnswer, Next},
    integrations::{Batch, Context, Error},
};
use serde::{Deserialize, Serialize};

use super::{flaw::Flaw, twin::Twin};

#[derive(Debug, Deserialize)]
struct Things {
    things: Vec<Thing>,
    next: Option<String>,
    total: usize,
    #[serde(default)]
    token: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Thing {
    id: i64,
    pub(super) days_ago: i32,
}

/// Where a walk stands that goes past what failed.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Standing {
    cursor: usize,
    things: Vec<Thing>,
}

const PAGE: usize = 7;

impl Twin {
    /// The things, and what the provider repeated.
    pub(super) async fn things(&self, ctx: &Context) -> Result<(Vec<Thing>, String), Error> {
        match self.0 {
            Flaw::FollowsForEver => self.follow(ctx).await,
            Flaw::RetriesByItself => self.insist(ctx).await,
            Flaw::CheckpointPastFailure => self.go_past(ctx).await,
            Flaw::ReadsOn => {
                let ctx = ctx.clone();
                let reading = tokio::spawn(async move { Twin(Flaw::ReadsOn).pages(&ctx).await });
                reading.await.unwrap_or_else(|_| Err(Error::internal("the reading ended")))
            }
            _ => self.pages(ctx).await,
        }
    }

    async fn pages(&self, ctx: &Context) -> Result<(Vec<Thing>, String), Error> {
        let flaw = self.0;
        let request = ctx.http.get("/things").query("size", PAGE);
        let mut pages = request.pages(move |page: &HttpAnswer<Things>| {
            let is_end =
                flaw == Flaw::FirstPageOnly || (flaw == Flaw::EmptyPageIsTheEnd && page.body.things.is_empty());
            Ok(match &page.body.next {
                Some(next) if !is_end => Next::Query("cursor", next.clone()),
                _ => Next::Done,
            })
        });
        let (mut things, mut token, mut total) = (Vec::new(), String::new(), 0);
        while let Some(page) = pages.next().await? {
            token = page.body.token;
            total = page.body.total;
            things.extend(page.body.things);
        }
        if unique(things.clone()).len() != total && !matches!(flaw, Flaw::FirstPageOnly | Flaw::EmptyPageIsTheEnd) {
            return Err(Error::invalid_response(format!("{} things of {total} came", things.len())));
        }
        Ok((if flaw == Flaw::CountsTwice { things } else { unique(things) }, token))
    }

    /// Reads pages without the host's guards.
    async fn follow(&self, ctx: &Context) -> Result<(Vec<Thing>, String), Error> {
        let (mut things, mut cursor) = (Vec::new(), None);
        loop {
            let mut request = ctx.http.get("/things").query("size", PAGE);
            if let Some(cursor) = &cursor {
                request = request.query("cursor", cursor);
            }
            let page: Things = request.json().await?.body;
            things.extend(page.things);
            cursor = page.next;
            if cursor.is_none() {
                return Ok((unique(things), page.token));
            }
        }
    }

    /// Tries again where the host has given up.
    async fn insist(&self, ctx: &Context) -> Result<(Vec<Thing>, String), Error> {
        let mut read = self.pages(ctx).await;
        for _ in 0..2 {
            if read.is_ok() {
                break;
            }
            read = self.pages(ctx).await;
        }
        read
    }

    /// Keeps its place when a page fails: that of the page after it.
    async fn go_past(&self, ctx: &Context) -> Result<(Vec<Thing>, String), Error> {
        let kept = ctx.checkpoint("things").await?;
        let mut standing: Standing = kept.and_then(|kept| serde_json::from_slice(&kept).ok()).unwrap_or_default();
        loop {
            let request = ctx.http.get("/things").query("size", PAGE).query("cursor", standing.cursor);
            standing.cursor += PAGE;
            let page: Things = match request.json().await {
                Ok(page) => page.body,
                Err(error) => {
                    let bytes = serde_json::to_vec(&standing).unwrap_or_default();
                    ctx.commit(Batch::new().checkpoint("things", bytes)).await?;
                    return Err(error);
                }
            };
            standing.things.extend(page.things);
            if page.next.is_none() {
                ctx.commit(Batch::new().forget_checkpoint("things")).await?;
                return Ok((unique(standing.things), page.token));
            }
        }
    }
}

/// Each thing once: a list may move on while it is read.
fn unique(things: Vec<Thing>) -> Vec<Thing> {
    let by_id: BTreeMap<i64, Thing> = things.into_iter().map(|thing| (thing.id, thing)).collect();
    by_id.into_values().collect()
}
