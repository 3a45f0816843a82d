//! People, organisations and their repositories.

use serde_json::{Value, json};

use super::{Ask, Found, Params, Problem, Reach, show};
use crate::demo::company::Repository;

/// Whom the token belongs to.
pub(super) fn user(ask: Ask<'_>) -> Result<Found, Problem> {
    let token = ask.caller.signed_in()?;
    ask.params(&[])?;
    if token.installation {
        return Err(Problem::not_accessible(true));
    }
    let mut body = show::person(ask, &ask.code.owner);
    let more = json!({
        "name": "Ada Fern", "company": "Fernwerk", "blog": "", "location": null, "email": null, "hireable": null, "bio": null,
        "twitter_username": null, "public_repos": 2, "public_gists": 0, "followers": 12, "following": 3,
        "created_at": "2019-05-04T10:00:00Z", "updated_at": "2025-11-01T08:30:00Z", "two_factor_authentication": true,
        "plan": { "name": "pro", "space": 976_562_499, "collaborators": 0, "private_repos": 9_999 },
    });
    show::extend(&mut body, more);
    Ok(body.into())
}

/// A person or the organisation.
pub(super) fn account(ask: Ask<'_>, login: &str) -> Result<Found, Problem> {
    ask.params(&[])?;
    let known = login == ask.code.organization || ask.code.people.iter().any(|(person, _)| person == login);
    if !known {
        return Err(Problem::not_found());
    }
    let mut body = show::person(ask, login);
    let public =
        ask.code.repositories.iter().filter(|repository| repository.owner == login && !repository.private).count();
    show::extend(&mut body, json!({ "name": login, "public_repos": public, "created_at": "2019-05-04T10:00:00Z" }));
    Ok(body.into())
}

/// `/orgs/{org}/repos` or `/users/{user}/repos`; the latter shows what is public alone.
pub(super) fn of_owner(ask: Ask<'_>, login: &str, by: &str) -> Result<Found, Problem> {
    let organization = login.eq_ignore_ascii_case(&ask.code.organization);
    let person = ask.code.people.iter().any(|(known, _)| known.eq_ignore_ascii_case(login));
    if !(organization || by == "users" && person) {
        return Err(Problem::not_found());
    }
    let params = ask.params(&["type", "sort", "direction", "per_page", "page"])?;
    let wanted = match by {
        "orgs" => params.word("type", &["all", "public", "private", "forks", "sources", "member"])?,
        _ => params.word("type", &["owner", "all", "member"])?,
    };
    let shown = |repository: &&&Repository| {
        let visible = ask.caller.sees(repository) && (by == "orgs" || !repository.private);
        repository.owner.eq_ignore_ascii_case(login)
            && visible
            && match wanted {
                "public" => !repository.private,
                "private" => repository.private,
                "forks" | "member" => false,
                _ => true,
            }
    };
    list(
        ask,
        params,
        &ask.code.repositories.iter().collect::<Vec<_>>().iter().filter(shown).copied().collect::<Vec<_>>(),
        "created",
    )
}

/// What the token's owner can reach.
pub(super) fn own(ask: Ask<'_>) -> Result<Found, Problem> {
    let token = ask.caller.signed_in()?;
    let known = ["visibility", "affiliation", "type", "sort", "direction", "per_page", "page", "since", "before"];
    let params = ask.params(&known)?;
    if token.installation {
        return Err(Problem::not_accessible(true));
    }
    let visibility = params.word("visibility", &["all", "public", "private"])?;
    // All of them are the organisation's.
    let member = params.get("affiliation").is_none_or(|known| known.contains("organization_member"));
    let shown = |repository: &&Repository| {
        member
            && ask.caller.sees(repository)
            && (visibility == "all" || (visibility == "private") == repository.private)
    };
    list(ask, params, &ask.code.repositories.iter().filter(shown).collect::<Vec<_>>(), "full_name")
}

/// What an installation was given.
pub(super) fn of_installation(ask: Ask<'_>) -> Result<Found, Problem> {
    ask.params(&["per_page", "page"])?;
    if !ask.caller.signed_in()?.installation {
        let message = "You must authenticate with an installation access token in order to list repositories for an installation.";
        return Err(Problem::new(403, message));
    }
    let repositories: Vec<&Repository> = ask.code.repositories.iter().collect();
    let path = "/installation/repositories";
    let mut found = ask.page(&repositories, path, Reach::All, |repository| show::repository(ask, repository, false))?;
    found.body =
        json!({ "total_count": repositories.len(), "repository_selection": "all", "repositories": found.body });
    Ok(found)
}

/// One repository whole.
pub(super) fn one(ask: Ask<'_>, repository: &Repository) -> Result<Found, Problem> {
    ask.params(&[])?;
    Ok(show::repository(ask, repository, true).into())
}

fn list(
    ask: Ask<'_>,
    params: Params<'_>,
    repositories: &[&Repository],
    default: &'static str,
) -> Result<Found, Problem> {
    let sort = match params.get("sort") {
        None => default,
        Some(_) => params.word("sort", &["created", "updated", "pushed", "full_name"])?,
    };
    let falls = match params.get("direction") {
        // By name it rises unless told otherwise, by time it falls.
        None => sort != "full_name",
        Some(_) => params.word("direction", &["asc", "desc"])? == "desc",
    };
    let mut sorted = repositories.to_vec();
    sorted.sort_by_key(|repository| match sort {
        "full_name" => (None, repository.full_name()),
        "created" => (Some(repository.created), String::new()),
        "updated" => (Some(ask.changes.of(repository, ask.now).updated), String::new()),
        _ => (Some(ask.changes.of(repository, ask.now).pushed), String::new()),
    });
    if falls {
        sorted.reverse();
    }
    let path = ask.request.path.clone();
    let shown = |repository: &&Repository| -> Value { show::repository(ask, repository, false) };
    ask.page(&sorted, &path, Reach::All, shown)
}
