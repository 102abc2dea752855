//! What a browser asks for twice, by a second click or a reload, is done once: both get what came of it.

use crate::domain::{Clock, SECOND};
use std::{
    collections::HashMap,
    fmt,
    panic::resume_unwind,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::OnceCell;

/// How long what came of it is kept for whoever asks again, in milliseconds: a second click, or a reload of a page that took its time.
const KEPT: i64 = 30 * SECOND;

/// How many are kept at most; what comes on top is done by itself.
const MOST: usize = 1024;

/// Results by what was asked, on this node, in memory alone.
pub struct Twice<V>(Mutex<HashMap<[u8; 32], Asked<V>>>);

struct Asked<V> {
    /// When it was asked first, by [`Clock::passed`].
    since: i64,
    result: Arc<OnceCell<V>>,
}

impl<V> Default for Twice<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V> fmt::Debug for Twice<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Twice")
    }
}

impl<V: Clone + Send + Sync + 'static> Twice<V> {
    /// What came of it where it was asked for before, once that is done.
    pub async fn known(&self, clock: &Clock, key: &[u8; 32]) -> Option<V> {
        let now = clock.passed();
        let result = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(&all.get(key).filter(|asked| now - asked.since < KEPT)?.result)
        };
        result.get_or_try_init(|| async { Err(()) }).await.ok().cloned()
    }

    /// Forgets what came of it: it is no good any more.
    pub fn forget(&self, key: &[u8; 32]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Does it, or waits for whoever does it already. It is done to its end also where the one who asked first has gone: a browser that
    /// reloads hangs up. What failed is done again for whoever comes next.
    ///
    /// # Errors
    /// Those of `doing`.
    pub async fn once<E: Send + 'static>(
        &self,
        clock: &Clock,
        key: [u8; 32],
        doing: impl Future<Output = Result<V, E>> + Send + 'static,
    ) -> Result<V, E> {
        let result = self.place(clock.passed(), key);
        let task = tokio::spawn(async move { result.get_or_try_init(|| doing).await.cloned() });
        match task.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => resume_unwind(panic),
            // The process ends, and with it whoever waits here.
            Err(Err(_)) => std::future::pending().await,
        }
    }

    fn place(&self, now: i64, key: [u8; 32]) -> Arc<OnceCell<V>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, asked| now - asked.since < KEPT);
        if all.len() >= MOST && !all.contains_key(&key) {
            return Arc::default();
        }
        Arc::clone(&all.entry(key).or_insert_with(|| Asked { since: now, result: Arc::default() }).result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn what_is_asked_for_twice_is_done_once_until_it_is_old() {
        let clock = Clock::manual(Timestamp::from_millis(1_764_000_000_000));
        let (twice, done) = (Twice::default(), Arc::new(AtomicUsize::new(0)));
        let ask = |key: u8| {
            let done = Arc::clone(&done);
            twice.once(&clock, [key; 32], async move {
                tokio::task::yield_now().await;
                Ok::<_, ()>(done.fetch_add(1, Ordering::SeqCst))
            })
        };
        let (first, second, other) = tokio::join!(ask(1), ask(1), ask(2));
        // Which of the two is done first is the runtime's choice.
        assert!(first == second && first != other && done.load(Ordering::SeqCst) == 2, "{first:?} {second:?} {other:?}");
        assert_eq!((ask(1).await, twice.known(&clock, &[1; 32]).await), (first, first.ok()));
        twice.forget(&[1; 32]);
        assert_eq!((twice.known(&clock, &[1; 32]).await, ask(1).await), (None, Ok(2)));
        clock.advance(KEPT);
        assert_eq!((twice.known(&clock, &[1; 32]).await, ask(1).await), (None, Ok(3)));
    }

    #[tokio::test]
    async fn what_failed_is_done_again_and_who_goes_away_stops_nothing() {
        let clock = Clock::manual(Timestamp::from_millis(1_764_000_000_000));
        let twice = Twice::default();
        assert_eq!(twice.once(&clock, [1; 32], async { Err::<u8, _>("no") }).await, Err("no"));
        assert_eq!(twice.once(&clock, [1; 32], async { Ok::<_, &str>(1) }).await, Ok(1));
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let mut first = Box::pin(twice.once(&clock, [2; 32], async move {
            drop(gone.await);
            Ok::<_, ()>(2)
        }));
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(first.as_mut().poll(context).is_pending())).await);
        drop(first);
        // Once it is under way.
        tokio::task::yield_now().await;
        let mut known = Box::pin(twice.known(&clock, &[2; 32]));
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(known.as_mut().poll(context).is_pending())).await);
        drop(go);
        assert_eq!(known.await, Some(2), "who only asks waits for it, too");
        assert_eq!(twice.once(&clock, [2; 32], async { Ok::<_, ()>(3) }).await, Ok(2));
    }
}
