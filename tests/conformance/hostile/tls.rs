//! A provider whose certificate expires, and is renewed.

use dashtray::{
    http::{ClientConfig, Service},
    integrations::Settings,
    sync::RunStatus,
};
use url::Url;

use crate::{
    conformance::{
        checks::kills::same,
        machine::{Machine, hurried},
        stand::{Account, Stand},
    },
    support::{
        database::Database,
        summary::tell,
        tls::{Authority, Door},
    },
};

/// All hosts that requests go to, those for tokens among them.
fn hosts(service: &Service) -> Vec<String> {
    let tokens = [
        service.auth.oauth().map(|oauth| oauth.token_url.as_str()),
        service.auth.service_account().map(|account| account.token_url.as_str()),
    ];
    let of_tokens = tokens.into_iter().flatten().filter_map(|url| Url::parse(url).ok()?.host_str().map(str::to_owned));
    let mut hosts: Vec<String> = service.hosts.iter().cloned().chain(of_tokens).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

pub(crate) async fn certificate_expires(stand: &Stand) -> Result<(), String> {
    let shown = |error: &dyn std::fmt::Display| error.to_string();
    let descriptor = stand.integration.descriptor();
    let settings = Settings::parse(&descriptor.settings, &stand.settings).map_err(|error| format!("{error:?}"))?;
    let service = descriptor.service(&settings, None).map_err(|error| shown(&error))?;
    let base = service.base_url.clone();
    let names = hosts(&service);
    ensure!(base.host_str().is_some_and(|name| names.iter().any(|known| known == name)), "the provider has no name");
    ensure!(base.scheme() == "https", "{} is not secure", base);

    let mut machine = Machine::new(stand, Account::Busy).await?;
    let authority = Authority::new().map_err(|error| shown(&error))?;
    let certificate = |until| authority.server(&names, until).map_err(|error| shown(&error));
    let door = Door::before(&machine.front.url, certificate(2090)?).await.map_err(|error| shown(&error))?;
    machine.front.is_known_as(base.as_str().trim_end_matches('/'));
    machine.address = None;
    machine.client = ClientConfig {
        extra_ca: vec![authority.pem.clone()],
        only_extra_ca: true,
        resolve: names.iter().map(|name| (name.clone(), door.at)).collect(),
        ..machine.client
    };

    let base = machine.connected(Database::sqlite().await).await?;
    let undisturbed = base.as_it_lies();
    machine.catches_up(&undisturbed).await?;
    machine.front.take();

    let database = base.as_it_lies();
    door.show(certificate(2001)?);
    for run in 1..=2 {
        let process = machine.process(&database).await;
        let run_view = hurried(machine.sync(&process)).await?;
        process.store.close().await;
        ensure!(run_view.status == RunStatus::Failed, "run {run} ends {}", run_view.status.name());
        let error = run_view.error.map(|error| error.message).unwrap_or_default();
        ensure!(error.contains("certificate") && error.contains("expired"), "run {run} says {error}");
        ensure!(machine.asked() == 0, "something was sent in run {run}");
    }
    door.show(certificate(2090)?);
    let runs = machine.catches_up(&database).await?;
    same(&undisturbed.figures().await, &database.figures().await)?;
    tell(format_args!("{}: an expired certificate in two runs, renewed: read in {runs}, same figures", descriptor.id));
    Ok(())
}
