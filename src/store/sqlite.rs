//! The one SQLite writer, and group commit.
//!
//! Many write transactions share one `BEGIN IMMEDIATE … COMMIT`, the *batch*: each is a savepoint in
//! it. A member that commits releases its savepoint, gives up its turn and waits; the batch's first
//! member queues behind everybody who waits for a turn now and then commits for all, at
//! [`BATCH_LIMIT`] members at the latest. There is no timer, so a lone writer never waits for company.
//!
//! Whatever a member read may be a neighbour's write, so it is answered only after the batch's COMMIT:
//! [`SqliteTx::rollback`] waits for it too. An error that made SQLite give up the whole transaction
//! (full disk, I/O) reaches every member.
//!
//! SQLite's file lock is not fair between processes. A process that waits for it holds a shared lock
//! on a side file; whoever has filled a batch looks there and stays away for a moment if another waits.

use super::sql::StoreError;
use crate::failpoint::{Fault, Faults};
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    fs::{File, TryLockError},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};

/// How many transactions one COMMIT carries at most.
pub const BATCH_LIMIT: usize = 32;

/// How often BEGIN IMMEDIATE is tried while another process writes: about ten seconds in all.
const BEGIN_TRIES: u32 = 4000;

type Outcome = Result<(), String>;

struct State {
    conn: Option<SqliteConnection>,
    /// BEGIN IMMEDIATE was sent and its batch not ended: true also when a caller vanished meanwhile.
    open: bool,
    /// SQLite gave up the whole transaction.
    broken: bool,
    batch: u64,
    members: Vec<oneshot::Sender<Outcome>>,
    faults: Faults,
}

/// The writer of one process. Turns are first come, first served.
pub(super) struct Writer {
    state: Arc<Mutex<State>>,
    /// Who waits for a turn now.
    waiting: AtomicUsize,
    side: Option<File>,
    side_wait: Option<File>,
}

impl Writer {
    pub(super) async fn open(options: &SqliteConnectOptions, side: Option<(File, File)>, faults: Faults) -> Result<Self, StoreError> {
        let conn = options.clone().busy_timeout(Duration::ZERO).connect().await?;
        let (side, side_wait) = side.unzip();
        Ok(Self {
            state: Arc::new(Mutex::new(State { conn: Some(conn), open: false, broken: false, batch: 0, members: Vec::new(), faults })),
            waiting: AtomicUsize::new(0),
            side,
            side_wait,
        })
    }

    pub(super) async fn begin(self: &Arc<Self>) -> Result<SqliteTx, StoreError> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let turn = Waiting(self);
        let state = Arc::clone(&self.state).lock_owned().await;
        drop(turn);
        // Built before anything is sent: behind a caller that vanishes from here on, Drop cleans up.
        let mut tx = SqliteTx { state: Some(state), saved: false, writer: Arc::clone(self) };
        if let Some(state) = &mut tx.state {
            if state.open && (state.broken || state.members.is_empty()) {
                // SQLite gave up.
                state.abandon("an earlier transaction was given up").await;
            }
            if !state.open {
                self.open_batch(state).await?;
            }
        }
        tx.saved = true;
        let result = tx.connection()?.execute("SAVEPOINT member").await;
        tx.note(result)?;
        Ok(tx)
    }

    async fn open_batch(&self, state: &mut State) -> Result<(), StoreError> {
        let mut mark = None;
        let mut tries = 0;
        loop {
            state.open = true;
            let result = state.conn()?.execute("BEGIN IMMEDIATE").await;
            match result {
                Ok(_) => {
                    state.batch += 1;
                    state.broken = false;
                    return Ok(());
                }
                Err(error) if is_busy(&error) && tries < BEGIN_TRIES => {
                    state.open = false;
                    tries += 1;
                    if mark.is_none()
                        && let Some(side) = &self.side_wait
                        && side.try_lock_shared().is_ok()
                    {
                        mark = Some(Unlock(side));
                    }
                    tokio::time::sleep(Duration::from_micros(if tries < 20 { 250 } else { 2500 })).await;
                }
                Err(error) => {
                    state.open = false;
                    return Err(error.into());
                }
            }
        }
    }

    /// Whether another process waits for the file's lock.
    fn another_process_waits(&self) -> bool {
        self.side.as_ref().is_some_and(|side| match side.try_lock() {
            Ok(()) => {
                drop(side.unlock());
                false
            }
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(_)) => false,
        })
    }

    pub(super) async fn close(&self) {
        let mut state = self.state.lock().await;
        if state.open && !state.members.is_empty() {
            state.commit().await;
        }
        if let Some(conn) = state.conn.take() {
            drop(conn.close().await);
        }
    }
}

struct Waiting<'a>(&'a Writer);
impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Unlock<'a>(&'a File);
impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        drop(self.0.unlock());
    }
}

impl State {
    fn conn(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.conn.as_mut().ok_or(StoreError::Unavailable(sqlx::Error::PoolClosed))
    }

    /// Ends the batch for everyone in it.
    async fn commit(&mut self) {
        let outcome = if self.broken { Err("the database gave up the transaction".to_owned()) } else { self.send_commit().await };
        match outcome {
            Ok(()) => {
                self.open = false;
                for member in self.members.drain(..) {
                    // A member that no longer waits does not need to hear.
                    drop(member.send(Ok(())));
                }
            }
            Err(reason) => self.abandon(&reason).await,
        }
    }

    async fn send_commit(&mut self) -> Outcome {
        let fault = self.faults.hit("store.batch");
        if fault == Some(Fault::Error) {
            return Err("failpoint".to_owned());
        }
        self.conn().map_err(|error| error.to_string())?.execute("COMMIT").await.map_err(|error| error.to_string())?;
        if fault == Some(Fault::Lost) { Err("failpoint".to_owned()) } else { Ok(()) }
    }

    /// Takes the whole batch back and tells its members.
    async fn abandon(&mut self, reason: &str) {
        if let Ok(conn) = self.conn() {
            // Fails where SQLite has rolled back by itself, which is what is wanted.
            drop(conn.execute("ROLLBACK").await);
        }
        self.open = false;
        self.broken = false;
        for member in self.members.drain(..) {
            drop(member.send(Err(reason.to_owned())));
        }
    }

    /// Takes back what one member did; `saved` says whether its savepoint was sent.
    async fn undo_member(&mut self, saved: bool) {
        if !self.open {
            return;
        }
        if saved
            && !self.members.is_empty()
            && let Ok(conn) = self.conn()
        {
            let undone = conn.execute("ROLLBACK TO member; RELEASE member").await;
            if undone.is_err() {
                self.broken = true;
            }
        }
        if self.broken || self.members.is_empty() {
            self.abandon("the database gave up the transaction").await;
        }
    }
}

/// One transaction: a savepoint in the current batch, and the turn that goes with it.
pub(super) struct SqliteTx {
    state: Option<OwnedMutexGuard<State>>,
    /// SAVEPOINT was sent.
    saved: bool,
    writer: Arc<Writer>,
}

impl SqliteTx {
    pub(super) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.state.as_mut().ok_or(StoreError::Unavailable(sqlx::Error::PoolClosed))?.conn()
    }

    /// Passes a statement's result on, and remembers when it means that SQLite gave up everything.
    pub(super) fn note<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if let Err(error) = &result
            && gives_up_everything(error)
            && let Some(state) = &mut self.state
        {
            state.broken = true;
        }
        result
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        to_its_end(self.release()).await
    }

    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        to_its_end(self.undo()).await
    }

    async fn release(mut self) -> Result<(), StoreError> {
        let Some(mut state) = self.state.take() else { return Err(StoreError::Unavailable(sqlx::Error::PoolClosed)) };
        if !state.broken && state.conn()?.execute("RELEASE member").await.is_err() {
            state.broken = true;
        }
        self.leave(state).await
    }

    async fn undo(mut self) -> Result<(), StoreError> {
        let Some(mut state) = self.state.take() else { return Err(StoreError::Unavailable(sqlx::Error::PoolClosed)) };
        let was_broken = state.broken;
        state.undo_member(self.saved).await;
        if was_broken {
            return Err(StoreError::Commit("the database gave up the transaction".to_owned()));
        }
        if !state.open {
            // Nobody else was in the batch: what was read is durable already.
            return Ok(());
        }
        self.leave(state).await
    }

    /// Joins the batch as a member, gives up the turn, and waits for the batch's COMMIT.
    async fn leave(&self, mut state: OwnedMutexGuard<State>) -> Result<(), StoreError> {
        let (sender, receiver) = oneshot::channel();
        state.members.push(sender);
        let members = state.members.len();
        let alone = self.writer.waiting.load(Ordering::Relaxed) == 0;
        // The COMMIT runs in a task of its own: a caller that goes away must not leave it half done.
        if state.broken || members >= BATCH_LIMIT || (members == 1 && alone) {
            let writer = Arc::clone(&self.writer);
            tokio::spawn(async move {
                state.commit().await;
                if members >= BATCH_LIMIT && writer.another_process_waits() {
                    // Held on purpose while pausing: the turn stays with nobody in this process.
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
                drop(state);
            });
        } else if members == 1 {
            let batch = state.batch;
            let shared = Arc::clone(&self.writer.state);
            drop(state);
            tokio::spawn(async move {
                let mut state = shared.lock_owned().await;
                if state.open && state.batch == batch {
                    state.commit().await;
                }
            });
        } else {
            drop(state);
        }
        match receiver.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(StoreError::Commit(reason)),
            Err(_) => Err(StoreError::Commit("the server is closing".to_owned())),
        }
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        // At once, not at the next begin: a savepoint left open keeps other processes out.
        if let Some(mut state) = self.state.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let saved = self.saved;
            runtime.spawn(async move { state.undo_member(saved).await });
        }
    }
}

/// Ends a transaction in a task of its own: a caller that goes away meanwhile leaves neither a lock nor half an end.
async fn to_its_end(end: impl Future<Output = Result<(), StoreError>> + Send + 'static) -> Result<(), StoreError> {
    match tokio::spawn(end).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StoreError::Commit("the server is closing".to_owned())),
    }
}

fn primary_code(error: &sqlx::Error) -> Option<i64> {
    let sqlx::Error::Database(database) = error else { return None };
    database.code()?.parse::<i64>().ok().map(|code| code & 0xff)
}

/// `SQLITE_BUSY`: another process holds the write lock.
fn is_busy(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(5)
}

/// `SQLITE_FULL`, `IOERR`, `NOMEM`, `CORRUPT`, `INTERRUPT`, `READONLY` and everything that is
/// no database's answer: the transaction may be gone (<https://www.sqlite.org/lang_transaction.html>, section 3).
fn gives_up_everything(error: &sqlx::Error) -> bool {
    match primary_code(error) {
        Some(code) => matches!(code, 7 | 8 | 9 | 10 | 11 | 13),
        None => !matches!(error, sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. }),
    }
}
