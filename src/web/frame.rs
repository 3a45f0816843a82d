//! What stands around every page: title, theme, the bars, who is signed in.

use askama::Template;
use axum::{
    http::{HeaderMap, header},
    response::Html,
};

use super::{
    Error, assets,
    auth::Viewer,
    cookies::{self, Theme},
};
use crate::{config::Config, store::Role, users::Permission};

/// The parts of Dashtray that the rail and the phone's bar lead to, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Integrations,
    Settings,
}

impl Section {
    pub(super) const ALL: [Self; 3] = [Self::Overview, Self::Integrations, Self::Settings];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Integrations => "Integrations",
            Self::Settings => "Settings",
        }
    }

    pub(super) fn address(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Integrations => "/integrations",
            Self::Settings => "/settings",
        }
    }

    /// The name of its picture in `templates/icons.html`.
    pub(super) fn icon(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Integrations => "plug",
            Self::Settings => "sliders",
        }
    }
}

/// What `templates/base.html` needs. Every page's template has one as `frame`.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) title: String,
    pub(super) theme: Theme,
}

impl Frame {
    /// For a page without bars: whoever looks may not be signed in.
    pub(super) fn bare(theme: Theme, title: impl Into<String>) -> Self {
        Self { title: title.into(), theme }
    }

    /// The address of a file of `static/`.
    pub(super) fn asset(&self, name: &str) -> &'static str {
        assets::url(name)
    }
}

/// What `templates/layout.html` needs besides: every page with bars has one as `bars`.
#[derive(Debug, Clone)]
pub(super) struct Bars {
    /// The part of Dashtray that the page belongs to.
    pub(super) section: Section,
    /// What forms carry.
    pub(super) csrf: String,
    pub(super) user: String,
    pub(super) email: String,
    /// The project that is shown.
    pub(super) project: String,
    /// All that the user sees.
    pub(super) projects: Vec<String>,
    /// What they are in it.
    pub(super) role: Role,
    /// A sentence on what was just done.
    pub(super) notice: Option<String>,
}

impl Bars {
    pub(super) fn new(viewer: &Viewer, section: Section) -> Self {
        Self {
            section,
            csrf: viewer.session.session.csrf.clone(),
            user: viewer.session.user.name.clone(),
            email: viewer.session.user.email.clone(),
            project: viewer.project.slug.clone(),
            projects: viewer.session.memberships.iter().map(|one| one.project.slug.clone()).collect(),
            role: viewer.role,
            notice: None,
        }
    }

    /// The same with a sentence on what was just done.
    pub(super) fn with_notice(mut self, notice: Option<&str>) -> Self {
        self.notice = notice.map(str::to_owned);
        self
    }

    /// Whether they may see who did what.
    pub(super) fn may_audit(&self) -> bool {
        Permission::Audit.is_of(self.role)
    }

    /// Whether they may make a further project.
    pub(super) fn may_make_projects(&self) -> bool {
        Permission::ManageProject.is_of(self.role)
    }

    /// What the rail and the phone's bar show.
    pub(super) fn sections(&self) -> &'static [Section] {
        &Section::ALL
    }

    /// The letters in place of a picture.
    pub(super) fn initials(&self) -> String {
        let words = self.user.split(|c: char| !c.is_alphanumeric()).filter_map(|word| word.chars().next());
        words.take(2).flat_map(char::to_uppercase).collect()
    }
}

/// Both of a page with bars.
pub(super) fn framed(viewer: &Viewer, section: Section, title: impl Into<String>) -> (Frame, Bars) {
    (Frame::bare(viewer.theme, title), Bars::new(viewer, section))
}

/// The address under which people reach Dashtray: the public one, or the one that was asked.
pub(super) fn base(config: &Config, headers: &HeaderMap) -> String {
    if let Some(url) = &config.public_url {
        return url.as_str().trim_end_matches('/').to_owned();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8080");
    let scheme = if cookies::is_secure(config) { "https" } else { "http" };
    format!("{scheme}://{host}")
}

/// A page of a template.
pub(super) fn render(template: &impl Template) -> Result<Html<String>, Error> {
    template.render().map(Html).map_err(|error| Error::fault(&error))
}
