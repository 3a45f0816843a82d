//! Google's two APIs: reports (Data API) and what properties there are (Admin API). One function an endpoint, answers
//! with only the fields in use. Numbers of 64 bits come and go as JSON strings, figures of a report always do.

use serde::{Deserialize, Serialize};

use super::quota;
use crate::{
    http::{Answer, Error, Http, Next},
    metric::Period,
};

/// The host of the Admin API; the Data API is the base URL.
pub(super) const ADMIN_HOST: &str = "analyticsadmin.googleapis.com";
/// Reports and batches of them share their quotas.
pub(super) const CORE: &str = "core";
/// What happens now has quotas of its own.
pub(super) const REALTIME: &str = "realtime";
/// The Admin API is limited in calls.
pub(super) const ADMIN: &str = "admin";
/// The most that a page of account summaries may have.
const SUMMARIES: u32 = 200;

/// A question to the Data API. At most nine dimensions and ten metrics.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReportRequest {
    /// None in a question about now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) date_ranges: Vec<DateRange>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) dimensions: Vec<Name>,
    pub(super) metrics: Vec<Name>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) order_bys: Vec<OrderBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offset: Option<String>,
    pub(super) return_property_quota: bool,
}

/// Days, both inclusive, in the property's zone.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DateRange {
    start_date: String,
    end_date: String,
}

/// A dimension or metric by its API name.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Name {
    pub(super) name: &'static str,
}

/// Ascending by a dimension.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct OrderBy {
    dimension: ByDimension,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct ByDimension {
    dimension_name: &'static str,
}

impl ReportRequest {
    /// These metrics by these dimensions over some days; of a question about now over none.
    pub(super) fn new(period: Option<Period>, dimensions: &[&'static str], metrics: &[&'static str]) -> Self {
        let named = |names: &[&'static str]| names.iter().map(|name| Name { name }).collect();
        let range = |period: Period| {
            let last = period.last().unwrap_or(period.start());
            DateRange { start_date: period.start().to_string(), end_date: last.to_string() }
        };
        Self {
            date_ranges: period.map(range).into_iter().collect(),
            dimensions: named(dimensions),
            metrics: named(metrics),
            order_bys: Vec::new(),
            limit: None,
            offset: None,
            return_property_quota: true,
        }
    }

    /// The same ordered by its dimensions, `limit` rows from `offset` on.
    pub(super) fn page(mut self, offset: usize, limit: u32) -> Self {
        let by = |name: &Name| OrderBy { dimension: ByDimension { dimension_name: name.name } };
        self.order_bys = self.dimensions.iter().map(by).collect();
        self.limit = Some(limit.to_string());
        self.offset = (offset > 0).then(|| offset.to_string());
        self
    }
}

/// A report. It has no rows where nothing happened.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    #[serde(default)]
    pub(super) dimension_headers: Vec<Header>,
    pub(super) metric_headers: Vec<Header>,
    #[serde(default)]
    pub(super) rows: Vec<Row>,
    /// Of the whole report, whatever the page.
    #[serde(default)]
    pub(super) row_count: usize,
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) property_quota: Option<PropertyQuota>,
}

/// A column.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Header {
    pub(super) name: String,
}

/// A row, in the order of the columns.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    #[serde(default)]
    pub(super) dimension_values: Vec<Cell>,
    #[serde(default)]
    pub(super) metric_values: Vec<Cell>,
}

/// A value, always a text.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Cell {
    #[serde(default)]
    pub(super) value: String,
}

/// What Google says of the figures of a report.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Metadata {
    pub(super) currency_code: Option<String>,
    pub(super) time_zone: Option<String>,
    pub(super) data_loss_from_other_row: bool,
    pub(super) subject_to_thresholding: bool,
    pub(super) sampling_metadatas: Vec<Sampling>,
    pub(super) schema_restriction_response: Restrictions,
}

/// How much of the events a report was made of.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sampling {
    pub(super) samples_read_count: String,
    pub(super) sampling_space_size: String,
}

/// What the asker's role hides. Its figures are zeros.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Restrictions {
    pub(super) active_metric_restrictions: Vec<Restriction>,
}

/// A metric that is hidden.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Restriction {
    pub(super) metric_name: String,
}

/// What is left of the property's quotas after this answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PropertyQuota {
    pub(super) tokens_per_day: Option<Quota>,
    pub(super) tokens_per_hour: Option<Quota>,
    pub(super) tokens_per_project_per_hour: Option<Quota>,
    pub(super) server_errors_per_project_per_hour: Option<Quota>,
    pub(super) potentially_thresholded_requests_per_hour: Option<Quota>,
}

/// One quota. Nothing of it is left where it names nothing.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Quota {
    #[serde(default)]
    pub(super) remaining: i64,
}

/// Several reports.
#[derive(Debug, Deserialize)]
struct Reports {
    reports: Vec<Report>,
}

/// Questions to be answered together, at most five.
#[derive(Debug, Serialize)]
struct Batch<'a> {
    requests: &'a [ReportRequest],
}

/// `POST /v1beta/properties/{property}:runReport`
pub(super) async fn report(http: &Http, property: &str, request: &ReportRequest) -> Result<Report, Error> {
    let asked = http.query("/v1beta/properties/{property}:runReport", request).path("property", property);
    let report: Report = asked.resource(CORE).json().await?.body;
    heed(http, CORE, [&report]).await?;
    Ok(report)
}

/// `POST /v1beta/properties/{property}:batchRunReports`: a report for each request, in their order.
pub(super) async fn reports(http: &Http, property: &str, requests: &[ReportRequest]) -> Result<Vec<Report>, Error> {
    let asked = http.query("/v1beta/properties/{property}:batchRunReports", &Batch { requests });
    let Reports { reports } = asked.path("property", property).resource(CORE).json().await?.body;
    if reports.len() != requests.len() {
        return Err(Error::invalid_response(format!("{} reports for {} requests", reports.len(), requests.len())));
    }
    heed(http, CORE, &reports).await?;
    Ok(reports)
}

/// `POST /v1beta/properties/{property}:runRealtimeReport`: the last 30 minutes.
pub(super) async fn realtime(http: &Http, property: &str, request: &ReportRequest) -> Result<Report, Error> {
    let asked = http.query("/v1beta/properties/{property}:runRealtimeReport", request).path("property", property);
    let report: Report = asked.resource(REALTIME).json().await?.body;
    heed(http, REALTIME, [&report]).await?;
    Ok(report)
}

/// Stops before a quota runs out: others share it.
async fn heed<'a>(http: &Http, resource: &str, reports: impl IntoIterator<Item = &'a Report>) -> Result<(), Error> {
    let last = reports.into_iter().filter_map(|report| report.property_quota.as_ref()).last();
    match last.and_then(quota::nearly_used_up) {
        Some(reset) => http.used_up(resource, reset).await,
        None => Ok(()),
    }
}

/// A property as the Admin API knows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Property {
    pub(super) display_name: String,
    pub(super) time_zone: String,
    pub(super) currency_code: String,
    pub(super) service_level: Option<String>,
    pub(super) create_time: Option<String>,
    pub(super) industry_category: Option<String>,
}

/// `GET /v1beta/properties/{property}` of the Admin API.
pub(super) async fn property(http: &Http, property: &str) -> Result<Property, Error> {
    let asked = http.get("/v1beta/properties/{property}").path("property", property);
    Ok(asked.host(ADMIN_HOST).resource(ADMIN).json().await?.body)
}

/// The properties that the credentials may see, by account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summaries {
    #[serde(default)]
    account_summaries: Vec<Summary>,
    next_page_token: Option<String>,
}

/// An account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    #[serde(default)]
    pub(super) display_name: String,
    #[serde(default)]
    pub(super) property_summaries: Vec<PropertySummary>,
}

/// A property of an account.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PropertySummary {
    /// `properties/123`
    pub(super) property: String,
    #[serde(default)]
    pub(super) display_name: String,
}

/// `GET /v1beta/accountSummaries` of the Admin API, all pages.
pub(super) async fn summaries(http: &Http) -> Result<Vec<Summary>, Error> {
    let asked = http.get("/v1beta/accountSummaries").host(ADMIN_HOST).resource(ADMIN).query("pageSize", SUMMARIES);
    let mut pages = asked.pages(|page: &Answer<Summaries>| {
        let token = page.body.next_page_token.as_ref().filter(|token| !token.is_empty());
        Ok(token.map_or(Next::Done, |token| Next::Query("pageToken", token.clone())))
    });
    let mut found = Vec::new();
    while let Some(page) = pages.next().await? {
        found.extend(page.body.account_summaries);
    }
    Ok(found)
}
