//! What is outside: certificates, providers, and what time it is for them.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::{Check, Patient};
use crate::{
    app,
    clock::Clock,
    connections::examine,
    http::{Client, Error, Forgetful, Reached, Service},
};

/// A clock that is further off makes sign-ins fail, and one that is that far off nearly everything.
const OFF: SignedDuration = SignedDuration::from_secs(60);
const FAR_OFF: SignedDuration = SignedDuration::from_mins(5);

pub(super) async fn checks(patient: &Patient<'_>) -> Vec<Check> {
    let config = patient.invocation.config();
    let client = app::client_config(config)
        .map_err(|error| error.to_string())
        .and_then(|client| Client::new(client, Arc::new(Forgetful), Clock::System).map_err(|error| error.to_string()));
    let client = match client.and_then(|client| client.prepare().map(|()| client).map_err(|error| error.to_string())) {
        Ok(client) => client,
        Err(problem) => {
            let advice = "install the system's certificates (the package is mostly called ca-certificates), and see \
                          whether extra_ca_file names a PEM file that can be read";
            return vec![Check::problem("certificates", problem, advice)];
        }
    };
    let and = config.extra_ca_file.as_ref().map(|path| format!(", and those of {}", path.display()));
    let mut checks = vec![Check::ok("certificates", format!("the system's were read{}", and.unwrap_or_default()))];

    let asked_at = config.clock().now();
    let hosts = hosts(patient).await;
    let reached = join_all(hosts.iter().map(async |((id, host), service)| {
        let reached = client.reach(service, host).await;
        (id.as_str(), host.as_str(), reached)
    }));
    let reached = reached.await;
    checks.push(clock(reached.iter().filter_map(|(_, _, reached)| reached.as_ref().ok()?.date), asked_at));
    checks.extend(reached.iter().map(|(id, host, reached)| provider(id, host, reached)));
    checks
}

/// The hosts of what is connected, or of all that could be: each once, with the service that it is of.
async fn hosts(patient: &Patient<'_>) -> BTreeMap<(String, String), Service> {
    let urls = &patient.invocation.config().provider_urls;
    let connections = patient.connections().await;
    let mut services = Vec::new();
    for descriptor in patient.registry.descriptors() {
        let own: Vec<_> = connections.iter().filter(|one| one.integration_id == descriptor.id).collect();
        services.extend(own.iter().filter_map(|one| examine::service_of(&descriptor, Some(one), urls)));
        if connections.is_empty() {
            services.extend(examine::service_of(&descriptor, None, urls));
        }
    }
    let each = services.into_iter().flat_map(|service| {
        let hosts = service.hosts.clone();
        hosts.into_iter().map(move |host| ((service.id.clone(), host), service.clone()))
    });
    each.collect()
}

fn provider(id: &str, host: &str, reached: &Result<Reached, Error>) -> Check {
    match reached {
        Ok(Reached { status: 500.., .. }) => {
            let message = format!("{id}: {host} answers, and has a fault of its own");
            Check::warning("provider", message, "wait; the provider may tell of it on its status page")
        }
        Ok(_) => Check::ok("provider", format!("{id}: {host} answers")),
        Err(error) => {
            let advice = "see whether this machine may reach it over HTTPS: name resolution, firewall, certificates";
            Check::problem("provider", format!("{id}: {host}: {error}"), advice)
        }
    }
}

/// What the providers' clocks say of ours. The nearest counts: of several not all are wrong.
fn clock(dates: impl Iterator<Item = Timestamp>, now: Timestamp) -> Check {
    let nearest = dates.map(|date| date.duration_since(now)).min_by_key(|ahead| ahead.abs());
    let Some(ahead) = nearest else {
        return Check::warning("clock", "no provider said what time it is", "see whether this machine's time is right");
    };
    let seconds = ahead.abs().as_secs();
    let advice = "set this machine's clock, by NTP best: signing in, limits and days go by it";
    match ahead.abs() {
        off if off < OFF => Check::ok("clock", "goes with that of the providers"),
        off if off < FAR_OFF => Check::warning("clock", format!("is {seconds} seconds off"), advice),
        _ => Check::problem("clock", format!("is {seconds} seconds off"), advice),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Finding, *};

    #[test]
    fn a_clock_is_judged_by_the_nearest_of_the_providers() {
        let now: Timestamp = "2026-03-31T12:00:00Z".parse().unwrap();
        let judged = |seconds: &[i64]| {
            let dates = seconds.iter().map(|ahead| now.checked_add(SignedDuration::from_secs(*ahead)).unwrap());
            clock(dates, now).status
        };
        assert_eq!(judged(&[-3, 9000]), Finding::Ok);
        assert_eq!(judged(&[-61, 90]), Finding::Warning);
        assert_eq!(judged(&[-301]), Finding::Problem);
        assert_eq!(judged(&[]), Finding::Warning);
    }
}
