//! Named points at which a test makes the next step fail, vanish or kill the process.
//!
//! Without the feature `failpoints` all of it compiles to nothing: [`Faults`] is then a unit and
//! [`Faults::hit`] an inlined `None`. Beside those at the steps of sending mail, and `slack.answered` once Slack has answered,
//! there are
//!
//! | point | stands |
//! |---|---|
//! | `store.begin` | before a write transaction |
//! | `store.lock` | before the organization's lock |
//! | `store.statement` | at every statement |
//! | `store.audit` | before an audit entry is inserted |
//! | `store.commit` | at one transaction's commit |
//! | `store.conflict` | there too: the database says that two transactions met |
//! | `store.batch` | at SQLite's COMMIT, which carries a batch of transactions |
//! | `store.committed` | after everything is durable, before anybody hears of it |
//!
//! A plan reads `name=action[@n]`, several separated by `;`: `store.commit=lost@3` lets the third
//! commit succeed and then reports it as lost. In a child process it comes from `USHER_FAILPOINTS`.

/// What a failpoint does where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The step is not made and reports an error.
    Error,
    /// The step is made, and then reports an error: an answer lost on the way back.
    Lost,
    /// The step is left out without a word. Only for showing that it matters (the lock).
    Skip,
    /// The process dies on the spot, as under `kill -9`.
    Abort,
    /// The step panics, as a mistake of ours would.
    Panic,
}

#[cfg(feature = "failpoints")]
mod on {
    use super::Fault;
    use std::{
        collections::HashMap,
        sync::{Arc, Mutex, PoisonError},
    };

    #[derive(Debug, Default)]
    struct Point {
        hits: u64,
        plan: Option<(Fault, Option<u64>)>,
    }

    /// The failpoints of one server; clones share them.
    #[derive(Clone, Debug, Default)]
    pub struct Faults(Arc<Mutex<HashMap<String, Point>>>);

    impl Faults {
        /// The plan of `USHER_FAILPOINTS`; an entry that does not read is left out.
        #[must_use]
        pub fn from_env() -> Self {
            let faults = Self::default();
            for entry in std::env::var("USHER_FAILPOINTS").unwrap_or_default().split(';') {
                let Some((name, action)) = entry.split_once('=') else { continue };
                let (action, nth) = match action.split_once('@') {
                    Some((action, nth)) => (action, nth.parse().ok()),
                    None => (action, None),
                };
                let fault = match action {
                    "error" => Fault::Error,
                    "lost" => Fault::Lost,
                    "skip" => Fault::Skip,
                    "abort" => Fault::Abort,
                    "panic" => Fault::Panic,
                    _ => continue,
                };
                faults.set(name, fault, nth);
            }
            faults
        }

        /// Arms `name`: at its `nth` hit from now (1 is the next), or at every one.
        pub fn set(&self, name: &str, fault: Fault, nth: Option<u64>) {
            let mut points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let point = points.entry(name.to_owned()).or_default();
            point.plan = Some((fault, nth.map(|nth| point.hits + nth)));
        }

        /// Disarms all; counters go on.
        pub fn clear(&self) {
            for point in self.0.lock().unwrap_or_else(PoisonError::into_inner).values_mut() {
                point.plan = None;
            }
        }

        /// How often `name` was passed.
        #[must_use]
        pub fn hits(&self, name: &str) -> u64 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).map_or(0, |point| point.hits)
        }

        /// Counts a pass and says what is to happen. [`Fault::Abort`] does not return.
        ///
        /// # Panics
        /// With [`Fault::Panic`], which is what that one is for.
        #[must_use]
        pub fn hit(&self, name: &'static str) -> Option<Fault> {
            let fault = {
                let mut points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let point = match points.get_mut(name) {
                    Some(point) => point,
                    None => points.entry(name.to_owned()).or_default(),
                };
                point.hits += 1;
                match point.plan {
                    Some((fault, None)) => Some(fault),
                    Some((fault, Some(nth))) if nth == point.hits => {
                        point.plan = None;
                        Some(fault)
                    }
                    Some(_) | None => None,
                }
            };
            match fault {
                Some(Fault::Abort) => std::process::abort(),
                Some(Fault::Panic) => panic!("failpoint"),
                Some(Fault::Error | Fault::Lost | Fault::Skip) | None => fault,
            }
        }
    }
}

#[cfg(not(feature = "failpoints"))]
mod off {
    use super::Fault;

    /// No failpoints in this build.
    #[derive(Clone, Debug, Default)]
    pub struct Faults;

    impl Faults {
        /// Nothing: this build has no failpoints.
        #[must_use]
        pub fn from_env() -> Self {
            Self
        }

        /// Never a fault.
        #[must_use]
        #[inline]
        pub fn hit(&self, _name: &'static str) -> Option<Fault> {
            None
        }
    }
}

#[cfg(not(feature = "failpoints"))]
pub use off::Faults;
#[cfg(feature = "failpoints")]
pub use on::Faults;
