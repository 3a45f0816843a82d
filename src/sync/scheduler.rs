//! The scheduler: asks the store what is due and runs it, as many at once as there are workers.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Error, LEASE, Range, Syncer};

/// Longest sleep between two looks at the queue: another process may have made a connection.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// How long runs may take to hand back when the process stops.
const GRACE: Duration = Duration::from_secs(9);
/// What is too old is swept for the first time so long after the start,
const FIRST_SWEEP: Duration = Duration::from_secs(300);
/// and then as often as this.
const SWEEP: Duration = Duration::from_secs(6 * 3600);

impl Syncer {
    /// Runs what is due until `stop`; then lets runs hand back. Survives a database that goes away for a while.
    pub async fn work(&self, stop: CancellationToken) -> Result<(), Error> {
        if self.connections.vault.key_id().is_none() {
            tracing::error!("the master key is missing: nothing is synced by this process until it is started with it");
            while !stop.is_cancelled() {
                self.beat.beat();
                let _ = tokio::time::timeout(LONGEST_SLEEP, stop.cancelled()).await;
            }
            return Ok(());
        }
        self.tell_of_other_keys().await;
        let mut runs = JoinSet::new();
        // Beside the queue, which does not wait for it; what is dropped is dropped in small pieces.
        let _sweeping = AbortOnDropHandle::new(tokio::spawn(self.clone().sweep()));
        while !stop.is_cancelled() {
            self.beat.beat();
            let room = usize::try_from(self.workers).unwrap_or(1).saturating_sub(runs.len());
            let pause = match self.start_due(&mut runs, room, &stop).await {
                Ok(()) => self.until_due(room).await,
                Err(error) => {
                    tracing::warn!(%error, "the queue could not be read; trying again");
                    LONGEST_SLEEP
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                Some(_) = runs.join_next() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        let finished = tokio::time::timeout(GRACE, async { while runs.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            tracing::warn!("runs did not hand back in time; their leases expire by themselves");
            runs.abort_all();
        }
        Ok(())
    }

    /// Drops what is too old, soon after the start and then now and again, until it is dropped itself.
    async fn sweep(self) {
        let mut pause = FIRST_SWEEP;
        loop {
            tokio::time::sleep(pause).await;
            pause = SWEEP;
            match self.connections.sweep().await {
                Ok(dropped) => tracing::debug!(dropped, "what was too old was dropped"),
                Err(error) => tracing::warn!(%error, "what is too old could not be dropped"),
            }
        }
    }

    /// Connections that this process leaves to others, once for each key.
    async fn tell_of_other_keys(&self) {
        let ours = self.connections.vault.key_ids();
        for (key_id, sets) in self.connections.store.sealed_by_key().await.unwrap_or_default() {
            if !ours.contains(&key_id.as_str()) {
                tracing::error!(
                    key.id = key_id,
                    connections = sets,
                    "connections are sealed with a master key that is not here: this process does not sync them; start \
                     it with that key too, or reconnect them"
                );
            }
        }
    }

    async fn start_due(&self, runs: &mut JoinSet<()>, room: usize, stop: &CancellationToken) -> Result<(), Error> {
        if room == 0 {
            return Ok(());
        }
        let limit = u32::try_from(room).unwrap_or(1);
        let store = &self.connections.store;
        for claim in store.claim_due(&self.owner, self.now(), LEASE, limit, &self.connections.vault.key_ids()).await? {
            let connection = store.connection(claim.key).await?;
            let (syncer, stop) = (self.clone(), stop.clone());
            runs.spawn(async move {
                // The line of its end, and each line in between, says of which run it is.
                let _ = syncer.run(claim, connection, Range::default(), stop, Arc::new(|_| {})).await;
            });
        }
        Ok(())
    }

    /// How long nothing is due, as far as is known.
    async fn until_due(&self, room: usize) -> Duration {
        if room == 0 {
            return LONGEST_SLEEP;
        }
        let due = self.connections.store.next_due(&self.connections.vault.key_ids()).await.ok().flatten();
        let wait = due.map(|due| Duration::try_from(due.duration_since(self.now())).unwrap_or(Duration::ZERO));
        // A due connection that could not be claimed is leased by another process: no spinning on it.
        wait.map_or(LONGEST_SLEEP, |wait| wait.clamp(Duration::from_millis(200), LONGEST_SLEEP))
    }
}
