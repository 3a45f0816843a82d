//! The endpoints: one function each, with only the fields in use.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    http::{Error, Http},
    metric::Day,
};

/// Whose key it is.
#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) name: String,
}

/// How many users there are now.
#[derive(Debug, Deserialize)]
pub(super) struct Users {
    pub(super) users: i64,
}

/// What came in on one day.
#[derive(Debug, Deserialize)]
pub(super) struct DayRevenue {
    pub(super) date: Day,
    /// Dollars, as a JSON number such as 12.5. Kept as the text it came as: a float would lose cents.
    pub(super) amount: Box<RawValue>,
}

/// `GET /v1/account`
pub(super) async fn account(http: &Http) -> Result<Account, Error> {
    #[derive(Deserialize)]
    struct Body {
        account: Account,
    }
    let answer = http.get("/v1/account").json::<Body>().await?;
    Ok(answer.body.account)
}

/// `GET /v1/stats/users`
pub(super) async fn users(http: &Http) -> Result<Users, Error> {
    Ok(http.get("/v1/stats/users").json().await?.body)
}

/// `GET /v1/stats/revenue`, from the first instant up to but not including the second.
pub(super) async fn revenue(http: &Http, (start, end): (Timestamp, Timestamp)) -> Result<Vec<DayRevenue>, Error> {
    #[derive(Deserialize)]
    struct Body {
        data: Vec<DayRevenue>,
    }
    let request = http.get("/v1/stats/revenue").query("start", start).query("end", end);
    Ok(request.json::<Body>().await?.body.data)
}
