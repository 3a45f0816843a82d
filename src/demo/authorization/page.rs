//! The page where a user says yes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Answered, Asked, CODE_SECONDS, Code, Consent, Rules, State, after, pairs};

/// Parameters of the standards.
const PARAMETERS: [&str; 8] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    // Ours: which of the two links was followed.
    "consent",
];

pub(super) fn authorise(state: &mut State, rules: &Rules, asked: &Asked<'_>) -> Answered {
    let query = match pairs(asked.query.as_bytes()) {
        Ok(query) => query,
        Err(twice) => return refused(&format!("{twice} is given twice")),
    };
    let get = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    // Nobody is sent to an address that is not registered, not even with an error.
    let Some(client) = rules.clients.iter().find(|client| client.id == get("client_id")) else {
        return refused("Error 401: invalid_client");
    };
    let redirect_uri = get("redirect_uri");
    if !client.redirect_uris.iter().any(|registered| registered == redirect_uri) {
        return refused("Error 400: redirect_uri_mismatch");
    }
    match judge(state, rules, &query) {
        Err(what) => refused(&format!("Error 400: invalid_request: {what}")),
        Ok(()) => decide(state, rules, asked, &query),
    }
}

fn judge(state: &State, rules: &Rules, query: &BTreeMap<String, String>) -> Result<(), String> {
    let get = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    let is_known = |key: &str| PARAMETERS.contains(&key) || rules.parameters.contains(key);
    if let Some(strange) = query.keys().find(|key| !is_known(key)) {
        return Err(format!("unknown parameter {strange}"));
    }
    if get("response_type") != "code" {
        return Err("response_type must be code".to_owned());
    }
    if get("state").len() < 16 {
        return Err("state can be guessed".to_owned());
    }
    if state.states.contains(get("state")) {
        return Err("state was used before".to_owned());
    }
    if get("code_challenge_method") != "S256" || get("code_challenge").len() != 43 {
        return Err("a code_challenge of S256 is needed".to_owned());
    }
    let scopes = asked_for(query);
    match scopes.iter().find(|scope| !rules.scopes.contains(*scope)) {
        Some(scope) => Err(format!("unknown scope {scope}")),
        None if scopes.is_empty() => Err("no scope".to_owned()),
        None => Ok(()),
    }
}

fn asked_for(query: &BTreeMap<String, String>) -> BTreeSet<String> {
    query.get("scope").iter().flat_map(|scope| scope.split(' ')).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

fn decide(state: &mut State, rules: &Rules, asked: &Asked<'_>, query: &BTreeMap<String, String>) -> Answered {
    let get = |key: &str| query.get(key).cloned().unwrap_or_default();
    let consent = match (state.consent.clone(), get("consent").as_str()) {
        (Consent::Asked, "allow") => Consent::Allow,
        (Consent::Asked, "deny") => Consent::Deny,
        (consent, _) => consent,
    };
    let granted = match consent {
        Consent::Asked => return ask(asked),
        Consent::Deny => None,
        Consent::Allow => Some(asked_for(query)),
        Consent::Only(some) => Some(asked_for(query).intersection(&some).cloned().collect()),
    };
    state.states.insert(get("state"));
    let mut back = url::form_urlencoded::Serializer::new(String::new());
    back.append_pair("state", &get("state"));
    match granted {
        None => back.append_pair("error", "access_denied"),
        Some(scopes) => {
            let code = state.fresh("4/0");
            let is_offline =
                !rules.offline_on_request || (get("access_type") == "offline" && get("prompt").contains("consent"));
            back.append_pair("code", &code);
            back.append_pair("scope", &scopes.iter().cloned().collect::<Vec<_>>().join(" "));
            let new = Code {
                client: get("client_id"),
                redirect_uri: get("redirect_uri"),
                challenge: get("code_challenge"),
                scopes,
                is_offline,
                user: state.user.clone(),
                ends_at: after(asked.now, CODE_SECONDS),
                family: None,
            };
            state.codes.insert(code, new);
            &mut back
        }
    };
    let address = format!("{}?{}", get("redirect_uri"), back.finish());
    Answered { status: 302, headers: vec![("location", address)], body: Vec::new() }
}

fn ask(asked: &Asked<'_>) -> Answered {
    // What came as a query stands there encoded; only the ampersand means something in HTML.
    let address = format!("{}?{}", asked.path, asked.query).replace('&', "&amp;").replace('"', "%22");
    let link = |choice: &str, words: &str| format!("<p><a href=\"{address}&amp;consent={choice}\">{words}</a></p>");
    let (allow, deny) = (link("allow", "Allow"), link("deny", "Cancel"));
    Answered::html(200, &format!("<h1>Dashtray wants to see your account</h1>{allow}{deny}"))
}

fn refused(why: &str) -> Answered {
    let why = why.replace('&', "&amp;").replace('<', "&lt;");
    Answered::html(400, &format!("<h1>Access blocked</h1><p>{why}</p>"))
}
