//! The decision whether a grant is allowed: the fence around everything that the operator writes.
//!
//! A grant is allowed when the deny list does not name it and one boundary allows it whole; limits of two
//! boundaries are never mixed. [`Fence`] holds the boundaries of a cluster, ready to be asked; [`Request`] is what is
//! asked, in ids; [`Facts`] is what is known about it. A fact that is not known never counts in favour of a grant: the
//! [`Ruling`] then says what has to be found out. A denial carries every clause of the nearest boundary that stands in the
//! way ([`Miss`]); the words for it are in [`denial`], the deny list is in [`deny_list`].

pub mod denial;
pub mod deny_list;
mod fence;
#[cfg(test)]
mod laws;
mod policies;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use crate::{
    api::{
        boundary::{GrantKind, PrincipalKind},
        guid::Guid,
        references::AccessId,
    },
    pim::policy::floor::Below,
};

pub use denial::Denial;
pub use deny_list::{DenyEntry, Lift, OperatorIdentity};
pub use fence::{Boundary, Fence, InvalidBoundary};
pub use policies::PolicyRequest;

/// What a grant is about, in ids.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrantTarget {
    /// A group, and the relationship with it.
    Group {
        /// The group's id.
        id: Guid,
        /// Member or owner.
        access: AccessId,
    },
    /// A directory role at a scope.
    Role {
        /// The role definition's id; of a built-in role, that of its template.
        id: Guid,
        /// The scope, as Graph writes it.
        scope: String,
    },
}

/// How long access is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Without an end.
    Permanent,
    /// From its start to its end.
    For(TimeDelta),
}

/// What is asked: a grant in ids and values, never in names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The namespace of the object.
    pub namespace: String,
    /// The name of the `EntraTenant`.
    pub tenant: String,
    /// The object's kind.
    pub kind: GrantKind,
    /// What is granted.
    pub target: GrantTarget,
    /// Who receives it.
    pub principal: Guid,
    /// How long.
    pub span: Span,
    /// Whether the object carries a justification.
    pub justified: bool,
    /// Whether the object carries a ticket.
    pub ticketed: bool,
}

/// What is known about a request. `None` is "not known", which never helps a grant.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The labels of the namespace.
    pub namespace_labels: &'a BTreeMap<String, String>,
    /// What sort of object the principal is.
    pub principal_kind: Option<PrincipalKind>,
    /// The groups, of those that were asked about, and whether the principal is a member of each.
    pub memberships: &'a BTreeMap<Guid, bool>,
    /// How many grants the other objects of the namespace hold.
    pub held_by_others: u32,
    /// Who the operator is in the tenant.
    pub operator: Option<&'a OperatorIdentity>,
    /// The principals that nobody may touch.
    pub protected: &'a [Guid],
    /// Whether the target is a group that may hold directory roles.
    pub role_assignable: Option<bool>,
    /// What a flag of the controller takes off the deny list.
    pub lifted: &'a [Lift],
    /// The uid of the boundary that allowed the grant before. Of several that allow it, it is kept.
    pub authorized_by: Option<&'a str>,
}

/// What the fence says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// This boundary allows the grant whole.
    Allowed(Permit),
    /// Nothing allows it.
    Denied(Denial),
    /// It depends on facts that have to be found out first.
    Unknown(Need),
}

/// The boundary that allows a grant, as it was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The boundary's name.
    pub name: String,
    /// The boundary's uid.
    pub uid: String,
    /// The generation of the boundary's spec.
    pub generation: i64,
    /// How many grants the objects of the namespace may hold, all together.
    pub max_grants: Option<u32>,
    /// Whether the namespace was selected by its labels.
    pub by_labels: bool,
}

/// Facts that a ruling depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Who the operator is in the tenant.
    pub operator: bool,
    /// What sort of object the principal is.
    pub principal_kind: bool,
    /// Whether the principal is a member of these groups.
    pub memberships: BTreeSet<Guid>,
}

/// One clause of a boundary that a grant does not meet, and what would meet it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Miss {
    /// `tenants` does not name the tenant.
    Tenant,
    /// `kinds` does not hold the kind.
    Kind,
    /// `groups` or `roles` does not hold the target.
    Target,
    /// `accessIds` does not hold the relationship.
    Access,
    /// `principals.kinds` does not hold the principal's kind.
    PrincipalKind(PrincipalKind),
    /// The principal is in none of `principals.memberOfGroupIds`.
    Membership(Vec<Guid>),
    /// `limits.permanent` forbids a grant without an end.
    Permanent,
    /// The window is longer than the limit.
    Duration {
        /// The limit as the boundary writes it.
        limit: String,
    },
    /// `requirements.justification` demands one.
    Justification,
    /// `requirements.ticket` demands one.
    Ticket,
    /// The objects of the namespace hold as many grants as they may.
    Quota {
        /// As many as that.
        limit: u32,
    },
    /// A policy goes below `policyFloor`.
    Floor(Below),
}

impl Fence {
    /// Rules on a request.
    #[must_use]
    pub fn rule(&self, request: &Request, facts: &Facts<'_>) -> Ruling {
        let selected = self.selecting(&request.namespace, facts.namespace_labels);
        let listed = |boundary: &&Boundary| boundary.lists_target(request);
        if let Some(entry) = deny_list::matching(request, facts, || {
            selected.iter().any(|(one, _)| listed(one))
        }) {
            return Ruling::Denied(Denial::listed(entry, request.kind));
        }
        let mut permits = Vec::new();
        let mut need = Need::default();
        let mut misses = Vec::new();
        for (boundary, by_labels) in &selected {
            match boundary.judge(request, facts) {
                Judgement::Allows => permits.push(boundary.permit(*by_labels)),
                Judgement::Depends(on) => need.join(on),
                Judgement::Misses(clauses) => misses.push((boundary.name.as_str(), clauses)),
            }
        }
        let open = !permits.is_empty() || !need.is_empty();
        // Nobody is allowed anything before it is known whom the operator must not touch.
        if open && facts.operator.is_none() {
            need.operator = true;
            return Ruling::Unknown(need);
        }
        let keep = |permit: &&Permit| Some(permit.uid.as_str()) == facts.authorized_by;
        let first = permits.iter().min_by(|one, two| one.name.cmp(&two.name));
        match permits.iter().find(keep).or(first) {
            Some(permit) => Ruling::Allowed(permit.clone()),
            None if !need.is_empty() => Ruling::Unknown(need),
            None => Ruling::Denied(Denial::nearest(request, facts, misses)),
        }
    }
}

/// What one boundary says of a request.
#[derive(Debug)]
enum Judgement {
    Allows,
    Depends(Need),
    Misses(Vec<Miss>),
}

impl Boundary {
    fn judge(&self, request: &Request, facts: &Facts<'_>) -> Judgement {
        let mut misses = Vec::new();
        let mut need = Need::default();
        let mut demand = |holds: bool, miss: Miss| {
            if !holds {
                misses.push(miss);
            }
        };
        demand(self.tenants.contains(&request.tenant), Miss::Tenant);
        demand(self.kinds.contains(&request.kind), Miss::Kind);
        demand(self.lists_target(request), Miss::Target);
        if let GrantTarget::Group { access, .. } = request.target {
            demand(self.access_ids.contains(&access), Miss::Access);
        }
        match facts.principal_kind {
            Some(kind) => demand(
                self.principal_kinds.contains(&kind),
                Miss::PrincipalKind(kind),
            ),
            None => need.principal_kind = true,
        }
        let member = |group: &Guid| facts.memberships.get(group) == Some(&true);
        if !self.member_of.is_empty() && !self.member_of.iter().any(member) {
            let unknown: BTreeSet<_> = self
                .member_of
                .iter()
                .filter(|group| !facts.memberships.contains_key(*group))
                .cloned()
                .collect();
            demand(
                !unknown.is_empty(),
                Miss::Membership(self.member_of.clone()),
            );
            need.memberships = unknown;
        }
        match request.span {
            Span::Permanent => demand(self.permanent, Miss::Permanent),
            Span::For(length) => {
                if let Some((limit, text)) = self.max_duration(request.kind) {
                    let limit_text = text.clone();
                    demand(length <= *limit, Miss::Duration { limit: limit_text });
                }
            }
        }
        demand(
            !self.justification || request.justified,
            Miss::Justification,
        );
        demand(!self.ticket || request.ticketed, Miss::Ticket);
        if let Some(limit) = self.max_grants {
            demand(facts.held_by_others < limit, Miss::Quota { limit });
        }
        match (misses.is_empty(), need.is_empty()) {
            (false, _) => Judgement::Misses(misses),
            (true, false) => Judgement::Depends(need),
            (true, true) => Judgement::Allows,
        }
    }
}

impl Need {
    /// Whether nothing is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.operator && !self.principal_kind && self.memberships.is_empty()
    }

    fn join(&mut self, other: Self) {
        self.operator |= other.operator;
        self.principal_kind |= other.principal_kind;
        self.memberships.extend(other.memberships);
    }
}
