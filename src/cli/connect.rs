//! `dashtray connect`

use std::path::PathBuf;

use super::{
    Invocation, ProjectArg, credentials,
    failure::{Done, Failure},
    sign_in::sign_in,
};
use crate::{
    connections::{ConnectRequest, ConnectedView, SignInFor},
    integrations::Check,
};

/// Connect an account of a service
///
/// The credentials are tested before anything is saved, and are kept sealed. At a terminal each field is asked for;
/// otherwise they are read from a file or stdin as {"credentials":{…},"settings":{…}}. With --oauth the address of the
/// provider's sign-in is printed instead, and access is kept sealed and renewed by itself. A permission that is missing costs
/// only the metrics that need it; the checks say which.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    dashtray connect stripe\n  \
    dashtray connect github --name website --credentials github.json\n  \
    pass show dashtray/stripe | dashtray connect stripe --credentials -\n  \
    echo '{\"settings\":{\"property\":\"341528790\"}}' | dashtray connect google-analytics --oauth --credentials -")]
pub(super) struct Args {
    /// The integration, as in `dashtray integrations`
    #[arg(value_name = "ID")]
    integration: String,
    /// Name of the connection [default: that of the integration]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// File with credentials and settings, or - for stdin
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Sign in at the provider in a browser; a file then gives settings alone
    #[arg(long)]
    oauth: bool,
    #[command(flatten)]
    project: ProjectArg,
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let app = invocation.open().await?;
    let integration = app.registry.get(&args.integration)?;
    if args.oauth {
        let settings = credentials::read_settings(args.credentials.as_deref(), &integration.descriptor())?;
        let purpose = SignInFor::Connect { integration_id: args.integration, name: args.name, settings };
        let signed_in = sign_in(invocation, &app, &args.project.project, purpose).await?;
        invocation.out.show(&signed_in.view, |view| human(view, "Connected"))?;
        return Ok(Done::All);
    }
    let given = credentials::read(args.credentials.as_deref(), &integration.descriptor(), true)?;
    let connected = app
        .connections
        .connect(ConnectRequest {
            project: args.project.project,
            integration_id: args.integration,
            name: args.name,
            credentials: given.credentials,
            settings: given.settings,
        })
        .await?;
    invocation.out.show(&connected, |view| human(view, "Connected"))?;
    Ok(Done::All)
}

/// Whose account it is, what was tried, and what to do next.
pub(super) fn human(view: &ConnectedView, verb: &str) -> String {
    let mut text = format!("{verb} {} ({}) as \"{}\".\n", view.account.label, view.account.id, view.name);
    if !view.checks.is_empty() {
        text.push_str(&format!("\n{}", checks(&view.checks)));
    }
    for (setting, choices) in view.choices.iter().filter(|(_, choices)| !choices.is_empty()) {
        text.push_str(&format!("\n{setting} can be:\n"));
        for choice in choices {
            text.push_str(&format!("  {}  {}\n", choice.value, choice.label));
        }
        text.push_str(&format!("Choose with: dashtray set {} {setting}=VALUE\n", quoted(&view.name)));
    }
    text.push_str(&format!("\nNext: dashtray sync {}\n", quoted(&view.name)));
    text
}

/// What was tried, one line each, and what a missing permission costs.
pub(super) fn checks(checks: &[Check]) -> String {
    let width = checks.iter().map(|check| check.id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for check in checks {
        let sign = if check.ok { '✓' } else { '✗' };
        text.push_str(&format!("  {sign} {:width$}  {}\n", check.id, check.message));
        if !check.ok && !check.costs.is_empty() {
            text.push_str(&format!("    {:width$}  without it: {}\n", "", check.costs.join(", ")));
        }
    }
    text
}

/// A name as a shell takes it.
fn quoted(name: &str) -> String {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if plain { name.to_owned() } else { format!("'{}'", name.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{connections::AccountView, integrations::Choice};

    #[test]
    fn says_whose_account_it_is_what_is_missing_and_what_comes_next() {
        let check = |id: &str, ok: bool, message: &str, costs: &[&str]| Check {
            id: id.to_owned(),
            ok,
            message: message.to_owned(),
            costs: costs.iter().map(|id| (*id).to_owned()).collect(),
        };
        let view = ConnectedView {
            connection_id: uuid::Uuid::nil(),
            integration_id: "stripe".to_owned(),
            name: "the shop".to_owned(),
            account: AccountView {
                id: "acct_1".to_owned(),
                label: "Acme".to_owned(),
                zone: None,
                currency: None,
                info: Default::default(),
            },
            checks: vec![
                check("charges", true, "can be read", &[]),
                check("balance", false, "allow Balance: read", &["stripe_fees", "stripe_net"]),
            ],
            choices: [("property".to_owned(), vec![Choice { value: "1".to_owned(), label: "Site".to_owned() }])].into(),
        };
        insta::assert_snapshot!(human(&view, "Connected"), @r#"
        Connected Acme (acct_1) as "the shop".

          ✓ charges  can be read
          ✗ balance  allow Balance: read
                     without it: stripe_fees, stripe_net

        property can be:
          1  Site
        Choose with: dashtray set 'the shop' property=VALUE

        Next: dashtray sync 'the shop'
        "#);
    }
}
