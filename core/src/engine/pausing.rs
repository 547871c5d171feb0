//! A pause: the database at rest, no links, no timers, until the application is in front again.

use super::Engine;
use crate::time::Now;

impl Engine {
    /// Withdraws presence, makes everything durable, says goodbye to all. Until [`resume`](Self::resume) nothing is due,
    /// and nobody is dialled or let in; local reads and writes work. False if it is paused already, or leaving.
    pub fn pause(&mut self, now: Now) -> bool {
        if self.leaving || self.overlay.is_paused() {
            return false;
        }
        self.keep_contacts_now();
        if self.usable
            && let Err(error) = self.withdraw_presence(now)
        {
            tracing::warn!(%error, "presence could not be withdrawn");
        }
        if let Err(error) = self.flush(now) {
            tracing::error!(%error, "the database failed before a pause");
        }
        self.group.listings.rest(true);
        self.overlay.pause(now);
        self.pump(now);
        true
    }

    /// Ends a pause: dials those who were neighbors, and does what was due meanwhile. False if there was none.
    pub fn resume(&mut self, now: Now) -> bool {
        let resumed = self.overlay.resume(now);
        if resumed {
            self.group.listings.rest(false);
            self.presence.touch(now);
        }
        self.pump(now);
        resumed
    }

    /// This machine's network is another one than before: links are looked at, and nodes dialled that did not answer.
    pub fn network_changed(&mut self, now: Now) {
        self.overlay.network_changed(now);
        self.pump(now);
    }
}
