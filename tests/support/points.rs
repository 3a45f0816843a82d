//! Fail points, seen by a test in its own process. What a process leaves that is killed in earnest is tried in `cli`.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use dashtray::fail_point::{Point, Watch, watched};
use tokio::sync::oneshot;

#[cfg(not(debug_assertions))]
compile_error!("the tests need the fail points, which a release build does not have");

/// The name of the point before a wait of the HTTP layer.
pub(crate) const WAIT: &str = "end of a wait";

/// Runs a future and is told each of its points.
pub(crate) async fn told<F: Future>(tell: impl Fn(Point) + Send + Sync + 'static, future: F) -> F::Output {
    let watch: Watch = Arc::new(move |point| {
        tell(point);
        Box::pin(std::future::ready(()))
    });
    watched(watch, future).await
}

/// The points of a future that runs to its end.
pub(crate) async fn points_of<F: Future>(future: F) -> (F::Output, Vec<Point>) {
    let points: Arc<Mutex<Vec<Point>>> = Arc::default();
    let noted = points.clone();
    let output = told(move |point| noted.lock().unwrap_or_else(PoisonError::into_inner).push(point), future).await;
    let points = std::mem::take(&mut *points.lock().unwrap_or_else(PoisonError::into_inner));
    (output, points)
}

/// Runs a future up to the `number`th point that counts, from 0, and drops it there: nothing of it goes on. Gives the
/// point, or `None` where the future ended before.
pub(crate) async fn killed_at<F: Future>(
    number: usize,
    counts: impl Fn(Point) -> bool + Send + Sync + 'static,
    future: F,
) -> Option<Point> {
    let (tell, is_there) = oneshot::channel();
    let (count, tell) = (AtomicUsize::new(0), Mutex::new(Some(tell)));
    let watch: Watch = Arc::new(move |point| {
        if !counts(point) || count.fetch_add(1, Ordering::Relaxed) < number {
            return Box::pin(std::future::ready(()));
        }
        if let Some(tell) = tell.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = tell.send(point);
        }
        Box::pin(std::future::pending())
    });
    tokio::select! {
        _ = watched(watch, future) => None,
        point = is_there => point.ok(),
    }
}
