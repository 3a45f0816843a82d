//! Points at which a test ends the program, or looks at what a program that ended there would leave behind.
//!
//! There is one `before` and one `after` everything that is made durable: each transaction of the store has them
//! by itself. A release build has none. In a debug build, which is what the tests run, a point does nothing unless
//!
//! - the program was started with `DASHTRAY_FAIL_AT=N`: at the Nth point that it reaches it ends as if it were killed,
//!   with nothing flushed and nothing handed back;
//! - a test runs a future under [`watched`]: then the test is told of each point, and may never let it go on.

use std::fmt;

/// Where the code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    /// What is made durable.
    pub step: &'static str,
    /// Whether it is.
    pub is_done: bool,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} the {}", if self.is_done { "after" } else { "before" }, self.step)
    }
}

/// Everything is prepared, nothing of it is durable.
#[inline]
pub(crate) async fn before(step: &'static str) {
    reach(Point { step, is_done: false }).await;
}

/// It is durable.
#[inline]
pub(crate) async fn after(step: &'static str) {
    reach(Point { step, is_done: true }).await;
}

#[cfg(not(debug_assertions))]
#[inline(always)]
async fn reach(_: Point) {}

/// A future that is to run in a task of its own, watched as the one that starts it.
#[cfg(not(debug_assertions))]
pub(crate) fn carried<F: Future>(future: F) -> F {
    future
}

#[cfg(debug_assertions)]
pub(crate) use armed::carried;
#[cfg(debug_assertions)]
use armed::reach;
#[cfg(debug_assertions)]
pub use armed::{Watch, abort_at, watched};

#[cfg(debug_assertions)]
mod armed {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use futures_util::future::BoxFuture;

    use super::Point;

    /// Is told of each point. The code goes on when the future is ready.
    pub type Watch = Arc<dyn Fn(Point) -> BoxFuture<'static, ()> + Send + Sync>;

    tokio::task_local! {
        static WATCH: Scope;
    }

    /// Who is told, and a channel that closes when the watched future is gone.
    #[derive(Clone)]
    struct Scope {
        watch: Watch,
        alive: tokio::sync::watch::Receiver<()>,
    }

    /// Where the program ends; 0 for nowhere.
    static LAST: AtomicU64 = AtomicU64::new(0);
    static REACHED: AtomicU64 = AtomicU64::new(0);

    pub(super) async fn reach(point: Point) {
        tracing::trace!(%point, "a fail point is reached");
        let last = LAST.load(Ordering::Relaxed);
        if last != 0 && REACHED.fetch_add(1, Ordering::Relaxed) + 1 == last {
            tracing::error!(%point, "the program ends at a fail point");
            std::process::abort();
        }
        if let Ok(scope) = WATCH.try_with(Clone::clone) {
            (scope.watch)(point).await;
        }
    }

    /// From now on the program ends at the point of that number, counted from 1.
    pub fn abort_at(number: u64) {
        LAST.store(number, Ordering::Relaxed);
    }

    pub(crate) fn carried<F: Future>(future: F) -> impl Future<Output = F::Output> {
        let scope = WATCH.try_with(Clone::clone).ok();
        async move {
            let Some(scope) = scope else { return future.await };
            let mut alive = scope.alive.clone();
            tokio::select! {
                output = WATCH.scope(scope, future) => return output,
                _ = alive.changed() => {}
            }
            // What was watched was killed, and this with it.
            std::future::pending().await
        }
    }

    /// Runs a future, of whose points the watch is told. Of tasks that it starts only those are watched, and end when it
    /// is dropped, that are `carried`.
    pub async fn watched<F: Future>(watch: Watch, future: F) -> F::Output {
        let (_life, alive) = tokio::sync::watch::channel(());
        WATCH.scope(Scope { watch, alive }, future).await
    }
}
