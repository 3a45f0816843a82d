//! `/connect/{id}`: from a key to a connection. The form is drawn from the descriptor. What was given is tried first; what
//! the account offers is chosen next, while the key lies sealed; then it is saved and the first sync begins.

pub(in crate::web) mod form;
pub(super) mod reconnect;
pub(super) mod sign_in;

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{Html, IntoResponse, Redirect, Response},
};

use form::{Input, Refusal, Typed};
use sign_in::Way;

use crate::{
    app::App,
    connections::{Allowed, ConnectedView, TrialView},
    integrations::{Check, Descriptor},
    users::Permission,
    web::{
        Error,
        auth::{Fields, Posted, Viewer},
        frame::{Bars, Frame, Section, framed, render},
    },
};

#[derive(Template)]
#[template(path = "connect.html")]
pub(super) struct Connect {
    frame: Frame,
    bars: Bars,
    title: String,
    /// Where the form goes.
    action: String,
    service: String,
    icon: String,
    summary: String,
    refusal: Refusal,
    inputs: Vec<Input>,
    /// What few people change.
    further: Vec<Input>,
    /// The sign-in in place of a key, if there is one.
    way: Option<Way>,
    /// What the provider said, when it was asked.
    trial: Option<TrialView>,
    /// Finds what was put aside.
    draft: String,
    is_reconnect: bool,
    /// Of the metrics, by their ids.
    names: BTreeMap<String, String>,
}

impl Connect {
    fn new(viewer: &Viewer, descriptor: &Descriptor, action: String, title: String) -> Self {
        let (frame, bars) = framed(viewer, Section::Integrations, title.as_str());
        Self {
            frame,
            bars,
            title,
            action,
            service: descriptor.name.clone(),
            icon: descriptor.icon.clone(),
            summary: descriptor.summary.clone(),
            refusal: Refusal::default(),
            inputs: Vec::new(),
            further: Vec::new(),
            way: None,
            trial: None,
            draft: String::new(),
            is_reconnect: false,
            names: descriptor.metrics.iter().map(|metric| (metric.id.clone(), metric.name.clone())).collect(),
        }
    }

    /// The first step: key and settings.
    fn first(
        app: &App,
        headers: &HeaderMap,
        viewer: &Viewer,
        descriptor: &Descriptor,
        (typed, mut refusal): (Typed, Refusal),
    ) -> Self {
        let page = Self::new(viewer, descriptor, address(descriptor), format!("Connect {}", descriptor.name));
        let mut inputs = form::credentials(descriptor, &mut refusal);
        let settings = form::settings(descriptor, &typed.settings, &Default::default(), &mut refusal);
        let name = typed.name.unwrap_or_default();
        let mut further = form::of_host(descriptor, &name, &typed.settings, &mut refusal);
        for (field, input) in descriptor.settings.iter().zip(settings) {
            let is_folded = !form::says_what(field);
            if is_folded { further.push(input) } else { inputs.push(input) }
        }
        refusal.rest_on_top();
        Self { way: Way::of(app, headers, descriptor), refusal, inputs, further, ..page }
    }

    /// The second: what is left to be chosen, of access that was put aside.
    async fn second(
        app: &App,
        viewer: &Viewer,
        descriptor: &Descriptor,
        allowed: &Allowed,
        (trial, refusal): (Option<TrialView>, Refusal),
    ) -> Result<Response, Error> {
        let mut refusal = refusal.offering(allowed.settings());
        let status = if refusal.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        let draft = app.connections.put_aside(&viewer.holder(), allowed).await?;
        let page = Self::new(viewer, descriptor, address(descriptor), format!("Connect {}", descriptor.name));
        let offered = std::mem::take(&mut refusal.offered);
        let choices = trial.as_ref().map_or(offered, |trial| trial.choices.clone());
        // Without an answer any setting may be what is wrong.
        let is_shown = |key: &str| (trial.is_none() && choices.is_empty()) || choices.contains_key(key);
        let keys: Vec<String> = descriptor
            .settings
            .iter()
            .filter(|field| is_shown(&field.key))
            .map(|field| format!("s-{}", field.key))
            .collect();
        let mut inputs = form::settings(descriptor, allowed.settings(), &choices, &mut refusal);
        inputs.retain(|input| keys.contains(&input.name));
        let name = allowed.name().unwrap_or_default();
        let further = form::of_host(descriptor, name, allowed.settings(), &mut refusal);
        refusal.rest_on_top();
        let page = Self { draft: draft.expose().to_owned(), trial, refusal, inputs, further, ..page };
        Ok((status, render(&page)?).into_response())
    }

    /// Whether what is folded away has to be seen.
    fn is_unfolded(&self) -> bool {
        self.further.iter().any(|input| !input.error.is_empty())
    }

    /// What a missing permission costs, by the metrics' names.
    fn costs(&self, check: &Check) -> String {
        let name = |id: &String| self.names.get(id).unwrap_or(id).clone();
        check.costs.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

fn address(descriptor: &Descriptor) -> String {
    format!("/connect/{}", descriptor.id)
}

pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Html<String>, Error> {
    viewer.may(Permission::Connect)?;
    let descriptor = app.registry.get(&id)?.descriptor();
    render(&Connect::first(&app, &headers, &viewer, &descriptor, Default::default()))
}

pub(super) async fn act(Path(id): Path<String>, headers: HeaderMap, posted: Posted) -> Result<Response, Error> {
    let Posted { app, viewer, fields } = posted;
    viewer.may(Permission::Connect)?;
    let descriptor = app.registry.get(&id)?.descriptor();
    let step = Step { app: &app, headers: &headers, viewer: &viewer, descriptor: &descriptor };
    match fields.text("action") {
        "finish" => step.finish(&fields).await,
        "sign-in" => step.sign_in(Typed::of(&descriptor, &fields)).await,
        action => step.give(Typed::of(&descriptor, &fields), action == "test").await,
    }
}

/// One form that came.
struct Step<'a> {
    app: &'a App,
    headers: &'a HeaderMap,
    viewer: &'a Viewer,
    descriptor: &'a Descriptor,
}

impl Step<'_> {
    /// Tries a key. A test ends there; else it is saved unless there is something to choose.
    async fn give(&self, mut typed: Typed, is_test: bool) -> Result<Response, Error> {
        let mut errors = std::mem::take(&mut typed.errors);
        if typed.credentials.is_empty()
            && self.descriptor.auth.oauth().is_some()
            && let Some(first) = self.descriptor.credentials.first()
        {
            errors.insert(first.key.clone(), "fill this in, or sign in instead".to_owned());
        }
        if !errors.is_empty() {
            return self.again(typed, Refusal::of_fields(errors));
        }
        let shown = Typed { settings: typed.settings.clone(), name: typed.name.clone(), ..Typed::default() };
        let mut allowed = match self.app.connections.draft(typed.request(self.viewer, self.descriptor)).await {
            Ok(allowed) => allowed,
            Err(error) => return self.again(shown, Refusal::of(self.app, self.viewer, error).await?),
        };
        let trial = match self.app.connections.try_draft(&mut allowed).await {
            Ok(trial) => trial,
            Err(error) => {
                let refusal = Refusal::of(self.app, self.viewer, error).await?;
                return if refusal.is_choice {
                    self.choose(&allowed, None, refusal).await
                } else {
                    self.again(shown, refusal)
                };
            }
        };
        let settings = allowed.settings();
        let is_open =
            |key: &String| !settings.contains_key(key) && self.descriptor.settings.iter().any(|one| one.key == *key);
        if is_test || trial.choices.keys().any(is_open) {
            return self.choose(&allowed, Some(trial), Refusal::default()).await;
        }
        self.settle(allowed).await
    }

    /// Makes a connection of what was put aside, with what was chosen.
    async fn finish(&self, fields: &Fields) -> Result<Response, Error> {
        let typed = Typed::of(self.descriptor, fields);
        let taken = self.app.connections.take_aside(&self.viewer.holder(), &fields.secret("draft")).await;
        let mut allowed = match taken {
            Ok(allowed) if allowed.integration_id() == self.descriptor.id => allowed,
            Ok(_) | Err(crate::connections::Error::SignIn(_)) => {
                let sentence = "This form was used already, or is older than an hour. Begin again.";
                return self.again(typed, Refusal::because(sentence));
            }
            Err(error) => return Err(error.into()),
        };
        let shown = form::shown(self.descriptor, fields);
        allowed.choose(shown.into_iter().map(|key| (key, serde_json::Value::Null)).collect());
        allowed.choose(typed.settings);
        allowed.call(typed.name);
        if !typed.errors.is_empty() {
            return self.choose(&allowed, None, Refusal::of_fields(typed.errors)).await;
        }
        self.settle(allowed).await
    }

    /// Saves. What is refused now can be chosen otherwise.
    async fn settle(&self, mut allowed: Allowed) -> Result<Response, Error> {
        match self.app.connections.settle_sign_in(&mut allowed).await {
            Ok(done) => started(self.app, self.viewer, &done.view).await,
            Err(error) => {
                let refusal = Refusal::of(self.app, self.viewer, error).await?;
                self.choose(&allowed, None, refusal).await
            }
        }
    }

    fn again(&self, typed: Typed, refusal: Refusal) -> Result<Response, Error> {
        let page = Connect::first(self.app, self.headers, self.viewer, self.descriptor, (typed, refusal));
        Ok((StatusCode::UNPROCESSABLE_ENTITY, render(&page)?).into_response())
    }

    async fn choose(&self, allowed: &Allowed, trial: Option<TrialView>, refusal: Refusal) -> Result<Response, Error> {
        Connect::second(self.app, self.viewer, self.descriptor, allowed, (trial, refusal)).await
    }
}

/// The first sync begins at once, and the starter dashboard opens where there is one.
pub(super) async fn started(app: &App, viewer: &Viewer, made: &ConnectedView) -> Result<Response, Error> {
    app.sync.wake();
    let dashboards = app.store.dashboards(viewer.project.id).await?;
    let starter = dashboards.iter().find(|one| one.integration_id.as_deref() == Some(made.integration_id.as_str()));
    let next = match starter {
        Some(dashboard) => format!("/d/{}?done=connected", dashboard.slug),
        None => format!("/connections/{}?done=connected", made.connection_id),
    };
    Ok(Redirect::to(&next).into_response())
}
