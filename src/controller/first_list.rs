//! Whether all objects of a kind have been read once.

use kube::runtime::watcher::Event;
use tokio::sync::watch;

/// Told when a store holds its first complete list; any number may wait.
///
/// kube's own `Store::wait_until_ready` wakes only the last of those that wait at the same time (kube-runtime 5.0: they share
/// the one waker of a oneshot channel), and kube's controllers wait there themselves. A pass that waited too would sleep until
/// something else woke it, or keep a controller from starting.
#[derive(Clone, Debug)]
pub struct FirstList(watch::Receiver<bool>);

/// Hears of the events of a watch that have entered its store, and tells those who wait.
#[derive(Debug)]
pub struct Filled(watch::Sender<bool>);

impl FirstList {
    /// A list that is not read yet, and who is to be told of it.
    #[must_use]
    pub fn unread() -> (Filled, Self) {
        let (sender, receiver) = watch::channel(false);
        (Filled(sender), Self(receiver))
    }

    /// Whether the list is read by now.
    #[must_use]
    pub fn is_read_now(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the list is read; false when the watch ends before it is.
    pub async fn is_read(&self) -> bool {
        self.0.clone().wait_for(|read| *read).await.is_ok()
    }
}

impl Filled {
    /// An event has entered the store.
    pub fn after<R>(&self, event: &Event<R>) {
        if matches!(event, Event::InitDone) {
            self.0.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn all_who_wait_are_woken_by_the_end_of_the_first_list() {
        let (filled, first_list) = FirstList::unread();
        let waiting: Vec<_> = (0..5)
            .map(|_| {
                let first_list = first_list.clone();
                tokio::spawn(async move { first_list.is_read().await })
            })
            .collect();
        tokio::task::yield_now().await;
        filled.after::<()>(&Event::Init);
        filled.after::<()>(&Event::InitApply(()));
        assert!(waiting.iter().all(|task| !task.is_finished()));
        filled.after::<()>(&Event::InitDone);
        let woken = tokio::time::timeout(Duration::from_secs(5), join_all(waiting));
        for read in woken.await.unwrap() {
            assert!(read.unwrap());
        }
        drop(filled);
        assert!(first_list.is_read().await);
    }

    #[tokio::test]
    async fn a_watch_that_ends_before_ends_the_wait() {
        let (filled, first_list) = FirstList::unread();
        drop(filled);
        assert!(!first_list.is_read().await);
    }
}
