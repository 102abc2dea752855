//! A second click on what lets its browser in: it gets what came of the first, instead of hearing that a code or a link was used.

use super::visitor::is_open;
use crate::{
    app::SharedApp,
    authn::session::Browser,
    service::{second_factor::Confirmed, signing_in::Opened},
    store::StoreError,
    twice::Twice,
};
use zeroize::Zeroizing;

/// What a form is known by that comes a second time: all that it says, and all that its browser is. After the first one's answer the
/// browser holds another cookie, and is another.
#[derive(Clone, Copy)]
pub(super) struct Click(Option<[u8; 32]>);

/// What came of a form that lets its browser in.
pub(super) trait LetsIn: Clone + Send + Sync + 'static {
    /// The session.
    fn opened(&self) -> &Opened;
}

impl LetsIn for Opened {
    fn opened(&self) -> &Opened {
        self
    }
}

impl LetsIn for Confirmed {
    fn opened(&self) -> &Opened {
        &self.opened
    }
}

impl Click {
    /// The click of a form that says this. Browsers that bring nothing of their own cannot be told apart, and are not.
    pub(super) fn of(app: &SharedApp, said: &[&str], browser: &Browser) -> Self {
        let (mark, session) = (browser.mark.unwrap_or_default(), browser.cookie.unwrap_or_default());
        let is_anybody = browser.mark.is_none() && browser.cookie.is_none();
        let all = Zeroizing::new([said.join("\n").as_bytes(), b"\n", &mark, &session].concat());
        Self((!is_anybody).then(|| app.keyring.digest(&all)))
    }

    /// What came of the first one, after waiting for it where it is under way, and while the session lives that it opened.
    pub(super) async fn first<V: LetsIn>(self, app: &SharedApp, all: &Twice<V>) -> Result<Option<V>, StoreError> {
        let Some(key) = self.0 else { return Ok(None) };
        let Some(first) = all.known(&app.clock, &key).await else { return Ok(None) };
        if is_open(app, first.opened()).await? {
            return Ok(Some(first));
        }
        all.forget(&key);
        Ok(None)
    }

    /// Does it, or waits for the first one that does it already.
    pub(super) async fn once<V: LetsIn, E: Send + 'static>(
        self,
        app: &SharedApp,
        all: &Twice<V>,
        doing: impl Future<Output = Result<V, E>> + Send + 'static,
    ) -> Result<V, E> {
        match self.0 {
            Some(key) => all.once(&app.clock, key, doing).await,
            None => doing.await,
        }
    }
}
