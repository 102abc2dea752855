//! Writers of one organization queue in the process, not in the pool.
//!
//! On PostgreSQL a writer that waits for its organization's lock would hold one of the node's few connections, and a
//! burst of one organization would make every other one wait. So at most [`AT_ONCE`] of an organization's writers have a
//! connection: one that holds the lock, and one that waits for it and goes on the moment the first commits. First come,
//! first served.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Writers of one organization that have a connection, on one node.
const AT_ONCE: usize = 2;
/// How many queues are kept before those without anybody in them are taken away.
const KEPT: usize = 1024;

/// The queues of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Queues(Arc<Mutex<HashMap<i64, Arc<Semaphore>>>>);

impl Queues {
    /// Waits for this organization's turn. `None` never happens: the queues are not closed.
    pub(super) async fn turn(&self, org: i64) -> Option<OwnedSemaphorePermit> {
        let queue = {
            let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if queues.len() >= KEPT {
                queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            }
            Arc::clone(queues.entry(org).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
        };
        queue.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_organization_waits_and_another_does_not() {
        let queues = Queues::default();
        let held = (queues.turn(1).await, queues.turn(1).await);
        let waiting = {
            let queues = queues.clone();
            tokio::spawn(async move { queues.turn(1).await.is_some() })
        };
        assert!(queues.turn(2).await.is_some());
        assert!(!waiting.is_finished());
        drop(held);
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn queues_without_anybody_are_taken_away() {
        let queues = Queues::default();
        let held = queues.turn(-1).await;
        for org in 0..i64::try_from(KEPT).unwrap() * 2 {
            drop(queues.turn(org).await);
        }
        let kept = queues.0.lock().unwrap();
        assert!(kept.len() <= KEPT && kept.contains_key(&-1));
        drop(held);
    }
}
