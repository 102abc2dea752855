//! Who would crowd the others out queues in the process, not in front of the database.
//!
//! A node has few connections, and they are served in the order in which they were asked for, whoever asks. On PostgreSQL
//! an organization's writer that waits for its lock would hold one all the while; and the calls of one bearer, a dead one
//! too, would take them all as fast as they come back. So at most [`AT_ONCE`] of an organization's writers have a
//! connection: one that holds the lock, and one that waits for it and goes on the moment the first commits; and as many
//! calls of one bearer are looked up at a time. First come, first served.
//!
//! A bearer who was turned away comes back at once if nobody minds, and each try costs the processor as much as a call
//! that is let in. So every refusal keeps one of the two places for [`REST`], beside its answer, which does not wait.
//! Nobody who asks once notices; who asks as fast as they can is held to about a thousand refusals a second and node.
//! Whoever shows a new dead secret each time would escape that. So an answer to a stranger waits for a rest of the place where
//! they come from; others from there, who are let in, wait for nothing, unless a crowd ([`CROWD`]) rests already: then whoever
//! comes from there goes behind it before being looked up. It takes as many open connections, or as many given up.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};

/// How many of one queue have a connection, on one node.
const AT_ONCE: usize = 2;
/// How many queues are kept before those without anybody in them are taken away.
const KEPT: usize = 1024;
/// How long a refusal keeps a place.
const REST: Duration = Duration::from_millis(2);
/// How many rest in one queue before it is a crowd.
const CROWD: usize = 64;

/// The queues of one node, one for each `K` that somebody waits for.
#[derive(Debug)]
pub(super) struct Queues<K>(Arc<Mutex<HashMap<K, Arc<Semaphore>>>>);

impl<K> Clone for Queues<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Queues<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Send + 'static> Queues<K> {
    /// Keeps a place of this queue for [`REST`], once it has its turn: also where nobody waits for its end.
    pub(super) fn rest(&self, of: K) -> JoinHandle<()> {
        let queue = self.clone();
        tokio::spawn(async move {
            let _turn = queue.turn(of).await;
            tokio::time::sleep(REST).await;
        })
    }

    /// Waits behind a crowd of those who rest in a queue that nobody else uses; `None`, at once, where there is none.
    pub(super) async fn behind_a_crowd(&self, of: &K) -> Option<OwnedSemaphorePermit> {
        let queue = {
            let queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // One of those who hold it is the map; each of the others rests, or waits for that.
            Arc::clone(queues.get(of).filter(|queue| Arc::strong_count(queue) > CROWD)?)
        };
        queue.acquire_owned().await.ok()
    }

    /// Waits for one's turn. `None` never happens: the queues are not closed.
    pub(super) async fn turn(&self, of: K) -> Option<OwnedSemaphorePermit> {
        let queue = {
            let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if queues.len() >= KEPT {
                queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            }
            Arc::clone(queues.entry(of).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
        };
        queue.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_waits_and_another_does_not() {
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
    async fn whoever_rests_holds_up_nobody_but_themselves() {
        let queues = Queues::default();
        for _ in 0..AT_ONCE {
            drop(queues.rest(1));
        }
        // The rests have their places once both tasks ran; a turn that is asked for then comes after them.
        while queues.0.lock().unwrap().get(&1).is_none_or(|queue| queue.available_permits() > 0) {
            tokio::task::yield_now().await;
        }
        let waiting = {
            let queues = queues.clone();
            tokio::spawn(async move { queues.turn(1).await.is_some() })
        };
        assert!(queues.turn(2).await.is_some());
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn only_a_crowd_makes_others_wait_behind_it_and_it_passes() {
        let queues = Queues::default();
        assert!(queues.behind_a_crowd(&1).await.is_none(), "nobody was ever there");
        let held = (queues.turn(1).await, queues.turn(1).await);
        assert!(queues.behind_a_crowd(&1).await.is_none(), "a few are no crowd");
        let rests: Vec<_> = (0..CROWD).map(|_| queues.rest(1)).collect();
        // Those who rest have come once each holds its queue.
        while Arc::strong_count(&queues.0.lock().unwrap()[&1]) <= CROWD {
            tokio::task::yield_now().await;
        }
        assert!(queues.behind_a_crowd(&2).await.is_none(), "from elsewhere one goes straight through");
        let waiting = {
            let queues = queues.clone();
            tokio::spawn(async move { queues.behind_a_crowd(&1).await.is_some() })
        };
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        assert!(waiting.await.unwrap());
        for rest in rests {
            rest.await.unwrap();
        }
        assert!(queues.behind_a_crowd(&1).await.is_none(), "they have rested");
    }

    #[tokio::test]
    async fn queues_without_anybody_are_taken_away() {
        let queues = Queues::default();
        let held = queues.turn(-1).await;
        for one in 0..i64::try_from(KEPT).unwrap() * 2 {
            drop(queues.turn(one).await);
        }
        let kept = queues.0.lock().unwrap();
        assert!(kept.len() <= KEPT && kept.contains_key(&-1));
        drop(held);
    }
}
