//! Why the demo ended early.

use std::fmt;

use pim_harness::bed::BedError;

/// A step that did not come out as it should, or machinery that broke.
#[derive(Debug)]
pub enum Failure {
    /// Something is not as expected.
    Differs {
        /// What was looked at.
        what: String,
        /// How it should be.
        expected: String,
        /// How it is.
        found: String,
    },
    /// The demo itself could not go on.
    Broken(BedError),
}

impl Failure {
    /// Something is not as expected.
    pub fn differs(
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Differs {
            what: what.into(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

// Not an `Error` itself, so that `?` can take every error.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs {
                what,
                expected,
                found,
            } => write!(f, "{what}\nexpected: {expected}\nfound:    {found}"),
            Self::Broken(error) => {
                write!(f, "{error}")?;
                let causes = std::iter::successors(error.source(), |cause| cause.source());
                causes
                    .into_iter()
                    .try_for_each(|cause| write!(f, "\nbecause:  {cause}"))
            }
        }
    }
}
