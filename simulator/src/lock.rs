//! Locking without `unwrap`: a panic in one exchange must not take the whole simulator down.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex, also when an earlier holder panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
