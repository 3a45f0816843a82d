//! For tests of integrations: a host that remembers in memory, and a context over a scripted provider.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Batch, Context, Error, Gap, Host, Integration, Order, Position, Record, RecordChange, Settings};
use crate::{
    clock::Clock,
    http::{Client, ClientConfig, Credentials, Forgetful, Kept, Session},
    metric::{Answer, Currency, Interval, Receipt, Zone},
    secret::Secret,
};

/// Keeps in memory what an integration commits.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    state: Mutex<Recorded>,
}

/// What was committed so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Recorded {
    pub(crate) answers: Vec<Answer>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) records: BTreeMap<(String, String), Record>,
    pub(crate) checkpoints: BTreeMap<String, Vec<u8>>,
    pub(crate) commits: usize,
}

impl Recorder {
    pub(crate) fn recorded(&self) -> Recorded {
        self.state.lock().unwrap().clone()
    }
}

#[async_trait]
impl Host for Recorder {
    async fn checkpoint(&self, stream: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.state.lock().unwrap().checkpoints.get(stream).cloned())
    }

    async fn records(&self, stream: &str, keys: &[String]) -> Result<Vec<Record>, Error> {
        let state = self.state.lock().unwrap();
        Ok(keys.iter().filter_map(|key| state.records.get(&(stream.to_owned(), key.clone())).cloned()).collect())
    }

    async fn groups(&self, stream: &str, groups: &[String]) -> Result<Vec<Record>, Error> {
        let all = self.scan(stream, Order::Group, None, u32::MAX).await?;
        Ok(all.into_iter().filter(|record| groups.contains(&record.group)).collect())
    }

    async fn scan(
        &self,
        stream: &str,
        order: Order,
        after: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Record>, Error> {
        let state = self.state.lock().unwrap();
        let of_stream = state.records.iter().filter(|((name, _), _)| name == stream).map(|(_, record)| record.clone());
        let mut records: Vec<Record> = match order {
            Order::Key => of_stream.filter(|r| after.as_ref().is_none_or(|at| r.key > at.key)).collect(),
            Order::Group => of_stream
                .filter(|r| !r.group.is_empty())
                .filter(|r| after.as_ref().is_none_or(|at| (&r.group, &r.key) > (&at.group, &at.key)))
                .collect(),
        };
        if order == Order::Group {
            records.sort_by(|a, b| (&a.group, &a.key).cmp(&(&b.group, &b.key)));
        }
        records.truncate(limit as usize);
        Ok(records)
    }

    async fn commit(&self, _grain: Interval, batch: Batch, _kept: Vec<Kept>) -> Result<(), Error> {
        let mut state = self.state.lock().unwrap();
        state.commits += 1;
        state.answers.extend(batch.answers);
        state.gaps.extend(batch.gaps);
        state.receipts.extend(batch.receipts);
        for change in batch.records {
            match change {
                RecordChange::Upsert { stream, record } => {
                    state.records.insert((stream, record.key.clone()), record);
                }
                RecordChange::Delete { stream, key } => {
                    state.records.remove(&(stream, key));
                }
                RecordChange::Clear { stream } => state.records.retain(|(name, _), _| *name != stream),
            }
        }
        for (stream, bytes) in batch.checkpoints {
            match bytes {
                Some(bytes) => state.checkpoints.insert(stream, bytes),
                None => state.checkpoints.remove(&stream),
            };
        }
        Ok(())
    }
}

/// A context whose requests all go to a scripted provider on loopback, through the real HTTP layer.
pub(crate) fn context(
    integration: &dyn Integration,
    provider: SocketAddr,
    credentials: &[(&str, &str)],
    settings: serde_json::Value,
    now: &str,
) -> (Context, Arc<Recorder>) {
    let descriptor = integration.descriptor();
    let given = settings.as_object().cloned().unwrap_or_default();
    let settings = Settings::parse(&descriptor.settings, &given).unwrap();
    let now: Timestamp = now.parse().unwrap();
    let override_url = Some(format!("http://{provider}").parse().unwrap());
    let service = descriptor.service(&settings, override_url).unwrap();
    let fields = credentials.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect();
    let client = Client::new(ClientConfig::default(), Arc::new(Forgetful), Clock::ticking_from(now)).unwrap();
    let http = client.session(Session {
        service: Arc::new(service),
        credentials: Credentials::new(fields),
        connection_id: "test".to_owned(),
        quota_share_permille: 1000,
        deadline: None,
    });
    let recorder = Arc::new(Recorder::default());
    let context = Context::new(http, settings, Zone::utc(), Currency::USD, now, recorder.clone());
    (context, recorder)
}
