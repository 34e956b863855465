//! A denial in words: what stands in the way, and what would satisfy it.

use std::fmt::{self, Write};

use super::{DenyEntry, Facts, GrantTarget, Miss, Request, Span};
use crate::{
    api::{
        boundary::{GrantKind, PrincipalKind},
        references::AccessId,
    },
    pim::{duration, policy::floor::Below},
};

/// Why a grant is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// What stands in the way.
    pub cause: Cause,
    sentence: String,
}

/// What stands in the way of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The deny list.
    Listed(DenyEntry),
    /// No boundary selects the namespace.
    NoBoundary,
    /// The nearest boundary, and every clause of it that the grant does not meet.
    Boundary {
        /// The boundary's name.
        name: String,
        /// The clauses, in the order of the boundary's fields.
        misses: Vec<Miss>,
    },
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl Denial {
    /// Whether the deny list forbids it.
    #[must_use]
    pub const fn is_listed(&self) -> bool {
        matches!(self.cause, Cause::Listed(_))
    }

    /// The clause that a metric counts: bounded, and the same for everybody.
    #[must_use]
    pub fn clause(&self) -> &'static str {
        match &self.cause {
            Cause::Listed(_) => "denyList",
            Cause::NoBoundary => "namespaces",
            Cause::Boundary { misses, .. } => misses.first().map_or("", Miss::clause),
        }
    }

    pub(super) fn listed(entry: DenyEntry, kind: GrantKind) -> Self {
        let what = match &entry {
            DenyEntry::TierZero { name, why, .. } => {
                format!("the role {name} rules the whole tenant: {why}")
            }
            DenyEntry::RoleAssignable(id) => format!(
                "the group {id} may hold directory roles, and no GrantBoundary of this namespace lists its id"
            ),
            DenyEntry::OperatorReceives(_) => {
                "the principal is the operator itself, or a group that it is in".to_owned()
            }
            DenyEntry::OperatorsGroup(id) => format!(
                "the operator is in the group {id}, or in a group that it is a member of: its members would come to share the operator's rights"
            ),
            DenyEntry::OperatorAsScope(_) => {
                "the scope is the operator itself: whoever rules it could come to act as it"
                    .to_owned()
            }
            DenyEntry::Protected(_) => {
                "the EntraTenant names the principal in `protectedPrincipals`".to_owned()
            }
        };
        let way_out = match entry.lift() {
            Some(lift) => format!("only the controller's flag --lift-denial={lift} allows it"),
            None => "only a GrantBoundary that lists the id in `groups` allows it".to_owned(),
        };
        let sentence = format!(
            "the deny list forbids this {}: {what}; {way_out}",
            noun(kind)
        );
        Self {
            cause: Cause::Listed(entry),
            sentence,
        }
    }

    /// Of the boundaries that select the namespace, the one that fewest clauses of stand in the way; by name where several do.
    pub(super) fn nearest(
        request: &Request,
        facts: &Facts<'_>,
        misses: Vec<(&str, Vec<Miss>)>,
    ) -> Self {
        let nearest = misses
            .into_iter()
            .min_by(|(one, few), (two, many)| few.len().cmp(&many.len()).then(one.cmp(two)));
        let Some((name, misses)) = nearest else {
            let sentence = format!(
                "no GrantBoundary selects the namespace {}; the shortest that would allow this {} has the spec {}",
                request.namespace,
                noun(request.kind),
                shortest(request, facts)
            );
            return Self {
                cause: Cause::NoBoundary,
                sentence,
            };
        };
        let noun = noun(request.kind);
        let mut sentence = format!("no GrantBoundary allows this {noun}; {name} comes nearest: ");
        for (number, miss) in misses.iter().enumerate() {
            if number > 0 {
                sentence.push_str("; and ");
            }
            // Writing to a string does not fail.
            let _ = miss.describe(request, &mut sentence);
        }
        Self {
            cause: Cause::Boundary {
                name: name.to_owned(),
                misses,
            },
            sentence,
        }
    }
}

impl Miss {
    /// The clause as the boundary names it.
    #[must_use]
    pub const fn clause(&self) -> &'static str {
        match self {
            Self::Tenant => "tenants",
            Self::Kind => "kinds",
            Self::Target => "target",
            Self::Access => "accessIds",
            Self::PrincipalKind(_) => "principals.kinds",
            Self::Membership(_) => "principals.memberOfGroupIds",
            Self::Permanent => "limits.permanent",
            Self::Duration { .. } => "limits.duration",
            Self::Justification => "requirements.justification",
            Self::Ticket => "requirements.ticket",
            Self::Quota { .. } => "limits.maxGrantsPerNamespace",
            Self::Floor(below) => match below {
                Below::Activation { .. } => "policyFloor.maximumActivationDuration",
                Below::Mfa => "policyFloor.multiFactorAuthentication",
                Below::Approval => "policyFloor.approval",
            },
        }
    }

    fn describe(&self, request: &Request, out: &mut String) -> fmt::Result {
        let Request { tenant, kind, .. } = request;
        match self {
            Self::Tenant => write!(out, "its `tenants` lack {tenant}"),
            Self::Kind => write!(out, "its `kinds` lack {kind:?}"),
            Self::Target => match &request.target {
                GrantTarget::Group { id, .. } => write!(out, "its `groups` lack {{id: {id}}}"),
                GrantTarget::Role { id, scope } => write!(
                    out,
                    "its `roles` lack {{id: {id}, directoryScopeIds: [\"{scope}\"]}}"
                ),
            },
            Self::Access => write!(out, "its `accessIds` lack {}", access(request)),
            Self::PrincipalKind(kind) => write!(out, "its `principals.kinds` lack {kind:?}"),
            Self::Membership(groups) => write!(
                out,
                "its `principals.memberOfGroupIds` demand membership of {}, and {} is no member",
                groups
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" or "),
                request.principal,
            ),
            Self::Permanent => write!(
                out,
                "its `limits.permanent` forbids a grant without an end; set `scheduleInfo.expiration` to one that ends"
            ),
            Self::Duration { limit } => {
                let field = match kind {
                    GrantKind::GroupEligibility | GrantKind::RoleEligibility => {
                        "maxEligibilityDuration"
                    }
                    _ => "maxAssignmentDuration",
                };
                write!(
                    out,
                    "its `limits.{field}` is {limit}, and the window is {} long; shorten `scheduleInfo`",
                    span_text(request.span)
                )
            }
            Self::Justification => write!(
                out,
                "its `requirements.justification` is Required; set `justification`"
            ),
            Self::Ticket => write!(
                out,
                "its `requirements.ticket` is Required; set `ticketInfo`"
            ),
            Self::Quota { limit } => write!(
                out,
                "its `limits.maxGrantsPerNamespace` is {limit}, and the objects of {} hold as many; delete one that is not needed",
                request.namespace
            ),
            Self::Floor(below) => floor(below, out),
        }
    }
}

fn floor(below: &Below, out: &mut String) -> fmt::Result {
    match below {
        Below::Activation { limit, stated } => write!(
            out,
            "its `policyFloor.maximumActivationDuration` is {limit}, and the policy states {stated}; shorten `activation.maximumDuration`"
        ),
        Below::Mfa => write!(
            out,
            "its `policyFloor.multiFactorAuthentication` is Required; add MultiFactorAuthentication to `activation.require`"
        ),
        Below::Approval => write!(
            out,
            "its `policyFloor.approval` is Required; state `activation.approval.approvers`"
        ),
    }
}

/// What is asked for, in a word.
fn noun(kind: GrantKind) -> &'static str {
    match kind {
        GrantKind::PimPolicy => "policy",
        _ => "grant",
    }
}

fn access(request: &Request) -> &'static str {
    match request.target {
        GrantTarget::Group {
            access: AccessId::Owner,
            ..
        } => "owner",
        _ => "member",
    }
}

fn span_text(span: Span) -> String {
    match span {
        Span::Permanent => "for ever".to_owned(),
        Span::For(length) => duration::format(length),
    }
}

/// The spec of the shortest boundary that would allow a request, in one line of YAML.
#[must_use]
pub fn shortest(request: &Request, facts: &Facts<'_>) -> String {
    let mut text = format!(
        "{{namespaces: [{}], tenants: [{}], kinds: [{:?}], ",
        request.namespace, request.tenant, request.kind
    );
    // Writing to a string does not fail.
    let _ = match &request.target {
        GrantTarget::Group { id, .. } => write!(text, "groups: [{{id: {id}}}], "),
        GrantTarget::Role { id, scope } => write!(
            text,
            "roles: [{{id: {id}, directoryScopeIds: [\"{scope}\"]}}], "
        ),
    };
    if access(request) == "owner" {
        text.push_str("accessIds: [owner], ");
    }
    let kind = facts.principal_kind.unwrap_or(PrincipalKind::User);
    let _ = write!(text, "principals: {{kinds: [{kind:?}]}}");
    if request.span == Span::Permanent {
        text.push_str(", limits: {permanent: Allowed}");
    }
    text.push('}');
    text
}
