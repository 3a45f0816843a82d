//! The Vercel emulator: what every request goes through, and where it goes.

mod access;
mod analytics;
mod list;
mod observability;
mod params;

use serde_json::Value;

pub use self::access::VercelToken;
use self::{
    access::{Budgets, Problem},
    params::Params,
};
use super::{
    Company,
    server::{Incoming, Reply, Site},
};

/// What the emulator remembers between requests.
#[derive(Debug, Default)]
pub(super) struct Emulator {
    budgets: Budgets,
}

/// What answering needs to know.
#[derive(Debug, Clone, Copy)]
struct Ask<'a> {
    request: &'a Incoming,
    company: &'a Company,
    token: &'a VercelToken,
    /// What the team's plan does not include.
    lacks: &'a [&'static str],
    /// Whether it is asked for the team, or for the person alone.
    for_team: bool,
    strict: bool,
}

impl<'a> Ask<'a> {
    /// The parameters, those that say for whom it is asked left out.
    fn params(self, known: &[&str]) -> Result<Params<'a>, Problem> {
        Params(&self.request.pairs).only(self.strict, known)
    }

    /// Refuses a part that the plan or the holder's role leaves out.
    fn reads(self, part: &'static str, name: &str) -> Result<(), Problem> {
        if self.token.denied.contains(part) {
            return Err(Problem::forbidden("You don't have permission to access this resource."));
        }
        match self.lacks.contains(&part) {
            true => Err(Problem::payment_required(&format!("{name} is not included in the team's plan"))),
            false => Ok(()),
        }
    }
}

impl Emulator {
    pub(super) fn answer(&self, site: &Site, request: &Incoming) -> Reply {
        let mut reply = self.judge(site, request);
        reply.header("content-type", "application/json; charset=utf-8");
        reply
    }

    fn judge(&self, site: &Site, request: &Incoming) -> Reply {
        let token = match access::token(&site.options.vercel_tokens, request) {
            Ok(token) => token,
            Err(problem) => return problem.reply(),
        };
        let segments = request.segments();
        let endpoint = segments.iter().find(|one| ["deployments", "web-analytics"].contains(*one));
        let endpoint = endpoint.or(segments.get(1)).copied().unwrap_or_default();
        let budget = self.budgets.spend(&token.token, endpoint, site.now());
        let company = site.company();
        let answered = access::is_for_team(request).and_then(|for_team| {
            let (lacks, strict) = (site.options.vercel_lacks.as_slice(), site.options.strict);
            route(Ask { request, company: &company, token, lacks, for_team, strict }, &segments)
        });
        let mut reply = match answered {
            _ if budget.is_spent() && site.options.rate_limits => budget.refusal(),
            Ok(body) => Reply::compact(200, &body),
            Err(problem) => problem.reply(),
        };
        budget.headers(&mut reply);
        reply
    }
}

fn route(ask: Ask<'_>, segments: &[&str]) -> Result<Value, Problem> {
    let is_post = segments == ["v2", "observability", "query"];
    if (ask.request.method == "POST") != is_post {
        return Err(Problem::new(405, "method_unknown", "The method is not allowed here"));
    }
    match segments {
        ["v2", "user"] => list::user(ask),
        ["v2", "teams"] => list::teams(ask),
        ["v2", "teams", team] => list::team(ask, team),
        ["v9" | "v10", "projects"] => list::projects(ask),
        ["v6" | "v7", "deployments"] => list::deployments(ask),
        ["v1", "query", "web-analytics", "visits", "aggregate"] => analytics::aggregate(ask),
        ["v1", "query", "web-analytics", "visits", "count"] => analytics::count(ask),
        ["v2", "observability", "schema"] => observability::schema(ask),
        ["v2", "observability", "schema", metric] => observability::metric(ask, metric),
        ["v2", "observability", "query"] => observability::query(ask),
        _ => Err(Problem::not_found("The requested path could not be found")),
    }
}
