//! What a route is, as data: the router, the checks before a handler and the OpenAPI document are made of it.

use axum::{http::StatusCode, routing::MethodFilter};

use super::{
    call::{Answering, Call},
    params::Param,
};

/// One route of the API.
pub(super) struct Route {
    pub(super) method: Method,
    /// The whole path, with `{id}` where it varies.
    pub(super) path: &'static str,
    /// Its name in the document.
    pub(super) name: &'static str,
    /// What it does, in a few words.
    pub(super) summary: &'static str,
    /// What else has to be known, in Markdown.
    pub(super) about: &'static str,
    pub(super) access: Access,
    pub(super) params: &'static [Param],
    pub(super) takes: Takes,
    pub(super) gives: Gives,
    /// Statuses of refusals that are this route's own; the common ones follow from the rest.
    pub(super) refusals: &'static [u16],
    pub(super) call: fn(Call) -> Answering,
}

/// The methods there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }

    /// As it stands in a request.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    pub(super) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody.
    Open,
    /// Whoever has a key.
    Read,
    /// Whoever has a key that may change things.
    Write,
}

/// What a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// A document of this schema.
    Json(&'static str),
    /// The same, or nothing.
    MaybeJson(&'static str),
}

/// What an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gives {
    /// `data` of this schema.
    Data(&'static str),
    /// The same of something that was made.
    Made(&'static str),
    /// `data` with a list of that name, and where it goes on.
    List(&'static str, &'static str),
    /// Lines, as CSV or JSON.
    Rows,
    /// A document as it stands.
    Plain,
}

impl Gives {
    pub(super) fn status(self) -> StatusCode {
        if matches!(self, Self::Made(_)) { StatusCode::CREATED } else { StatusCode::OK }
    }
}

impl Route {
    /// The varying part of its path, if it has one.
    pub(super) fn placeholder(&self) -> Option<&'static str> {
        let (_, rest) = self.path.split_once('{')?;
        rest.split('}').next()
    }
}
