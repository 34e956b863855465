//! What is said of the authority for a grant.

use crate::{api::conditions::Reason, graph::GraphError, pim::boundary::Denial};

use super::{Report, failed};
use crate::controller::status::Verdict;

/// No boundary allows the grant, or the deny list forbids it.
#[must_use]
pub fn denied(denial: &Denial, held: Held) -> Report {
    let denied = self::denial(denial);
    let reason = denied.reason;
    let ready = match held {
        Held::Nothing => denied.clone(),
        Held::Frozen => Verdict::no(
            reason,
            format!("the access stays as it is and nothing is written: {denial}"),
        ),
        Held::Inherited => Verdict::no(
            reason,
            format!(
                "the access stays, because another object declares it and is allowed it: {denial}"
            ),
        ),
        Held::Revoked => Verdict::no(
            Reason::AuthorityLost,
            format!("the access was revoked: {denial}"),
        ),
    };
    let mut report = Report::of(ready).stalled(true);
    report.authorized = Some(denied);
    report
}

/// What `Authorized` says of a denial.
#[must_use]
pub fn denial(denial: &Denial) -> Verdict {
    let reason = if denial.is_listed() {
        Reason::DenyListed
    } else {
        Reason::BoundaryDenied
    };
    Verdict::no(reason, denial.to_string())
}

/// What an object that is denied has in Entra.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing of ours.
    Nothing,
    /// A grant, which stays as it is.
    Frozen,
    /// A grant that another object declares too, and is allowed.
    Inherited,
    /// A grant that has been taken away.
    Revoked,
}

/// A boundary allows the grant.
#[must_use]
pub fn authorized(boundary: &str) -> Verdict {
    Verdict::yes(
        Reason::Allowed,
        format!("the GrantBoundary {boundary} allows this grant"),
    )
}

/// Whether the grant is allowed depends on something that could not be read.
#[must_use]
pub fn not_judged(error: &GraphError) -> Report {
    let mut report = failed(error);
    report.authorized = Some(Verdict::unknown(
        Reason::FactsUnavailable,
        format!("whether a boundary allows this grant could not be judged: {error}"),
    ));
    report
}

/// The boundary that allowed a request is not the same any more.
#[must_use]
pub fn boundary_changed(boundary: &str) -> Report {
    Report::of(Verdict::no(
        Reason::PendingProvisioning,
        format!(
            "the GrantBoundary {boundary} has just changed, and is judged again before anything is written"
        ),
    ))
}

/// Others were faster to the last place among the grants of a namespace.
#[must_use]
pub fn last_place_taken(boundary: &str) -> Report {
    Report::of(Verdict::no(
        Reason::PendingProvisioning,
        format!(
            "another object has just taken the last place that `limits.maxGrantsPerNamespace` of the GrantBoundary {boundary} leaves, and this one is judged again"
        ),
    ))
}
