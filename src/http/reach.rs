//! Whether a provider can be reached: one call without credentials, under the rules of all calls.

use jiff::Timestamp;
use reqwest::Method;
use tokio::time::timeout;

use super::{
    AddressRules, Client, Error, Service, retry::failure, retry_after::date, target::Target, trouble::Trouble,
};

/// An answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// Its status. Without credentials it is hardly ever a good one.
    pub status: u16,
    /// What time it is for the provider.
    pub date: Option<Timestamp>,
}

impl Client {
    /// Calls a host of a service once, unsigned. Any answer counts: what it says of us is not the question.
    pub async fn reach(&self, service: &Service, host: &str) -> Result<Reached, Error> {
        let target = Target::new(service, AddressRules { allow_private: self.config().allow_private_hosts })?;
        let is_base = target.base().host_str().is_some_and(|base| base.eq_ignore_ascii_case(host));
        let url = if is_base { target.base().clone() } else { target.host(host)? };
        let request = reqwest::Request::new(Method::GET, target.actual(&url));
        let calling = async {
            let answer = self.connections(target.is_judged())?.execute(request).await;
            answer.map_err(|error| failure(Trouble::of(&error)).0)
        };
        let limit = self.config().connect_timeout + self.config().read_timeout;
        let answer = timeout(limit, calling).await.unwrap_or_else(|_| Err(failure(Trouble::Timeout).0))?;
        Ok(Reached { status: answer.status().as_u16(), date: date(answer.headers()) })
    }
}
