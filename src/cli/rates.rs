//! `dashtray rates`

use std::path::PathBuf;

use serde_json::json;

use super::{
    Invocation,
    failure::{Done, Failure},
};
use crate::series::rates;

/// Exchange rates for converting money into a reporting currency
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Load daily rates from a file
    ///
    /// Takes CSV with the header date,base,quote,rate (one unit of base costs that many of quote), or the European Central
    /// Bank's daily or historical file as CSV or XML. Days that are known already are replaced.
    #[command(after_help = "Example:\n  dashtray rates load eurofxref-hist.csv")]
    Load {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

pub(super) async fn run(invocation: &Invocation, args: Args) -> Result<Done, Failure> {
    let Command::Load { file } = args.command;
    let bad = |why: String| Failure::usage("bad_rates_file", format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(&file).map_err(|error| bad(format!("cannot be read: {error}")))?;
    let rates = rates::parse(&text).map_err(|error| bad(error.to_string()))?;
    let app = invocation.open().await?;
    let changed = app.store.load_rates(&rates).await?;
    let view = json!({"read": rates.len(), "changed": changed});
    invocation.out.show(&view, |_| format!("Read {} rates; {changed} are new or changed.", rates.len()))?;
    Ok(Done::All)
}
