//! Connections and their runs. Credentials go in, never out.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    body::Credential,
    call::Call,
    params::PAGING,
    refusal::Refusal,
    reply::{Reply, cursor, no_cursor, read_cursor},
    route::{Access, Gives, Method, Route, Takes},
};
use crate::{connections::ConnectRequest, metric::Day, secret::Secret, sync::Range};

const ONE: &str = "/api/v1/connections/{connection_id}";

pub(super) const ROUTES: [Route; 8] = [
    Route {
        method: Method::Get,
        path: "/api/v1/connections",
        name: "list_connections",
        summary: "The connections of the project",
        about: "Oldest first, each with how it stands.",
        access: Access::Read,
        params: &PAGING,
        takes: Takes::Nothing,
        gives: Gives::List("connections", "Connection"),
        refusals: &[],
        call: |call| Box::pin(list(call)),
    },
    Route {
        method: Method::Post,
        path: "/api/v1/connections",
        name: "create_connection",
        summary: "Connect a service",
        about: "The credentials are tried first; nothing is kept unless the provider accepts them. The catalogue says \
                which fields an integration takes. The first sync begins at once.",
        access: Access::Write,
        params: &[],
        takes: Takes::Json("NewConnection"),
        gives: Gives::Made("Connected"),
        refusals: &[404, 409, 422, 502],
        call: |call| Box::pin(create(call)),
    },
    Route {
        method: Method::Get,
        path: ONE,
        name: "get_connection",
        summary: "One connection",
        about: "The id may be its name.",
        access: Access::Read,
        params: &[],
        takes: Takes::Nothing,
        gives: Gives::Data("Connection"),
        refusals: &[],
        call: |call| Box::pin(get(call)),
    },
    Route {
        method: Method::Patch,
        path: ONE,
        name: "update_connection",
        summary: "Change a connection",
        about: "`settings` changes those that are named; `credentials` replaces all of them, of the same account; `paused` \
                stops scheduled runs. Credentials and settings are tried first, so give one of the two at a time.",
        access: Access::Write,
        params: &[],
        takes: Takes::Json("ConnectionChange"),
        gives: Gives::Data("Connection"),
        refusals: &[409, 422, 502],
        call: |call| Box::pin(change(call)),
    },
    Route {
        method: Method::Delete,
        path: ONE,
        name: "delete_connection",
        summary: "Remove a connection with all its numbers",
        about: "Its credentials are deleted too. This cannot be undone.",
        access: Access::Write,
        params: &[],
        takes: Takes::Nothing,
        gives: Gives::Data("Disconnected"),
        refusals: &[],
        call: |call| Box::pin(delete(call)),
    },
    Route {
        method: Method::Post,
        path: "/api/v1/connections/{connection_id}/test",
        name: "test_connection",
        summary: "Ask the provider whether the credentials still work",
        about: "A refusal is the result of the test: `success` is false then.",
        access: Access::Write,
        params: &[],
        takes: Takes::Nothing,
        gives: Gives::Data("Test"),
        refusals: &[409, 422, 502],
        call: |call| Box::pin(test(call)),
    },
    Route {
        method: Method::Post,
        path: "/api/v1/connections/{connection_id}/sync",
        name: "sync_connection",
        summary: "Read a connection now",
        about: "Answers when the run is over; a run that is under way is joined. Whoever does not want to wait may hang up: \
                the run goes on. Days that are named are read again.",
        access: Access::Write,
        params: &[],
        takes: Takes::MaybeJson("SyncRequest"),
        gives: Gives::Data("Runs"),
        refusals: &[409],
        call: |call| Box::pin(sync(call)),
    },
    Route {
        method: Method::Get,
        path: "/api/v1/connections/{connection_id}/runs",
        name: "list_runs",
        summary: "The latest runs of a connection",
        about: "Newest first.",
        access: Access::Read,
        params: &PAGING,
        takes: Takes::Nothing,
        gives: Gives::List("runs", "Run"),
        refusals: &[],
        call: |call| Box::pin(runs(call)),
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewConnection {
    integration_id: String,
    name: Option<String>,
    #[serde(default)]
    credentials: BTreeMap<String, Credential>,
    #[serde(default)]
    settings: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionChange {
    name: Option<String>,
    credentials: Option<BTreeMap<String, Credential>>,
    settings: Option<Map<String, Value>>,
    paused: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct SyncRequest {
    start_date: Option<Day>,
    end_date: Option<Day>,
}

fn plain(credentials: BTreeMap<String, Credential>) -> BTreeMap<String, Secret> {
    credentials.into_iter().map(|(key, Credential(secret))| (key, secret)).collect()
}

async fn list(call: Call) -> Result<Reply, Refusal> {
    let connections = call.app.connections.list(&call.project()?.slug).await?;
    Reply::page_of("connections", &connections, &call.params.page(), |one| one.connection_id.to_string())
}

async fn create(call: Call) -> Result<Reply, Refusal> {
    let new: NewConnection = call.json()?;
    let request = ConnectRequest {
        project: call.project()?.slug.clone(),
        integration_id: new.integration_id,
        name: new.name,
        credentials: plain(new.credentials),
        settings: new.settings,
    };
    let made = call.app.connections.connect(request).await?;
    call.app.sync.wake();
    Reply::made(&made)
}

async fn get(call: Call) -> Result<Reply, Refusal> {
    Reply::data(&call.app.connections.show(&call.project()?.slug, call.id()).await?)
}

async fn change(call: Call) -> Result<Reply, Refusal> {
    let ConnectionChange { name, credentials, settings, paused } = call.json()?;
    let (project, connections) = (&call.project()?.slug, &call.app.connections);
    // Its name may be what changes.
    let id = connections.show(project, call.id()).await?.connection_id.to_string();
    if credentials.is_some() && settings.is_some() {
        let message = "credentials and settings are both given; each is tried by itself, so send two requests";
        return Err(Refusal::bad("invalid_field", message).with(json!({"field": "settings"})));
    }
    if let Some(name) = &name {
        connections.check_rename(project, &id, name).await?;
    }
    // What may be refused comes first: then nothing of the rest has happened.
    if let Some(credentials) = credentials {
        connections.reconnect(project, &id, plain(credentials)).await?;
    }
    if let Some(settings) = settings {
        let changes: Vec<(String, String)> = settings.into_iter().map(|(key, value)| (key, typed(&value))).collect();
        connections.set(project, &id, &changes).await?;
    }
    if let Some(paused) = paused {
        let change =
            if paused { connections.pause(project, &id).await } else { connections.resume(project, &id).await };
        change?;
    }
    if let Some(name) = &name {
        connections.rename(project, &id, name).await?;
    }
    call.app.sync.wake();
    Reply::data(&connections.show(project, &id).await?)
}

/// A setting as somebody would type it.
fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(list) => list.iter().map(typed).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

async fn delete(call: Call) -> Result<Reply, Refusal> {
    Reply::data(&call.app.connections.disconnect(&call.project()?.slug, call.id()).await?)
}

async fn test(call: Call) -> Result<Reply, Refusal> {
    Reply::data(&call.app.connections.test(&call.project()?.slug, call.id()).await?)
}

async fn sync(call: Call) -> Result<Reply, Refusal> {
    let SyncRequest { start_date: from, end_date: to } = call.json_or_default()?;
    let (syncer, project) = (call.app.sync.clone(), call.project()?.slug.clone());
    let (names, stop) = ([call.id().to_owned()], call.stop.clone());
    // In a task of its own: that somebody hangs up ends no run.
    let run =
        tokio::spawn(
            async move { syncer.sync_now(&project, &names, Range { from, to }, &stop, Arc::new(|_| {})).await },
        );
    let runs = run.await.map_err(|error| Refusal::fault(&error))??;
    Reply::data(&json!({"runs": runs}))
}

async fn runs(call: Call) -> Result<Reply, Refusal> {
    let page = call.params.page();
    let before = page.cursor.as_deref().map(place).transpose()?;
    // One more than is shown tells whether there are more.
    let wanted = page.limit.saturating_add(1).saturating_add(page.offset);
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    let mut runs = call.app.sync.runs_before(&call.project()?.slug, call.id(), wanted, before).await?;
    runs.drain(..page.offset.min(runs.len()));
    let is_more = runs.len() > page.limit;
    runs.truncate(page.limit);
    let next = runs.last().filter(|_| is_more);
    let next = next.map(|run| cursor(&format!("{} {}", run.started_at.as_millisecond(), run.run_id)));
    Reply::list("runs", &runs, next)
}

fn place(cursor: &str) -> Result<(Timestamp, Uuid), Refusal> {
    let text = read_cursor(cursor)?;
    let (at, id) = text.split_once(' ').ok_or_else(no_cursor)?;
    let at = at.parse().ok().and_then(|at| Timestamp::from_millisecond(at).ok()).ok_or_else(no_cursor)?;
    Ok((at, id.parse().map_err(|_| no_cursor())?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_cursor_is_too_strange(strange in any::<String>(), like in "-?[0-9]{1,25} [0-9a-f-]{30,40}") {
            prop_assert!(place(&strange).is_err() && place(&cursor(&strange)).is_err());
            if let Ok((at, id)) = place(&cursor(&like)) {
                let named = format!("{} {id}", at.as_millisecond());
                prop_assert_eq!(place(&cursor(&named)).ok(), Some((at, id)));
            }
        }
    }
}
