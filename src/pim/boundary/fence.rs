//! The boundaries of a cluster, read once and ready to be asked: by namespace first, so that a request meets only those
//! that select it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::TimeDelta;

use super::{GrantTarget, Permit, Request};
use crate::{
    api::{
        boundary::{
            GrantBoundarySpec, GrantKind, LabelOperator, NamespaceSelector, OnAuthorityLost,
            Permanence, PrincipalKind, Requirement,
        },
        guid::Guid,
        references::AccessId,
    },
    pim::{
        duration::{self, DurationError},
        policy::floor::Floor,
    },
};

/// A boundary, read.
#[derive(Clone, Debug)]
pub struct Boundary {
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// The generation of its spec.
    pub generation: i64,
    /// What happens to a grant that it no longer allows.
    pub on_authority_lost: OnAuthorityLost,
    pub(super) namespaces: Vec<String>,
    pub(super) selector: Option<NamespaceSelector>,
    pub(super) tenants: BTreeSet<String>,
    pub(super) kinds: BTreeSet<GrantKind>,
    pub(super) groups: HashSet<Guid>,
    pub(super) roles: HashMap<Guid, BTreeSet<String>>,
    pub(super) access_ids: BTreeSet<AccessId>,
    pub(super) principal_kinds: BTreeSet<PrincipalKind>,
    pub(super) member_of: Vec<Guid>,
    pub(super) permanent: bool,
    pub(super) eligibility: Option<(TimeDelta, String)>,
    pub(super) assignment: Option<(TimeDelta, String)>,
    pub(super) justification: bool,
    pub(super) ticket: bool,
    pub(super) max_grants: Option<u32>,
    pub(super) floor: Floor,
}

/// Why a boundary cannot be read; it allows nothing then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("GrantBoundary {name}: spec.{field}: {error}")]
pub struct InvalidBoundary {
    name: String,
    field: &'static str,
    error: DurationError,
}

impl Boundary {
    /// Reads a boundary.
    ///
    /// # Errors
    /// [`InvalidBoundary`] when a limit makes no sense. Schemas keep such out; where one was weakened, the boundary must
    /// not count as one without a limit.
    pub fn read(
        (name, uid, generation): (&str, &str, i64),
        spec: &GrantBoundarySpec,
    ) -> Result<Self, InvalidBoundary> {
        let limits = spec.limits.clone().unwrap_or_default();
        let requirements = spec.requirements.clone().unwrap_or_default();
        let invalid = |field, error| InvalidBoundary {
            name: name.to_owned(),
            field,
            error,
        };
        let length = |field, text: Option<String>| {
            text.map(|text| match duration::parse(&text) {
                Ok(length) => Ok((length, text)),
                Err(error) => Err(invalid(field, error)),
            })
            .transpose()
        };
        let floor = Floor::read(spec.policy_floor.as_ref())
            .map_err(|error| invalid("policyFloor.maximumActivationDuration", error))?;
        let mut access_ids: BTreeSet<_> = spec.access_ids.iter().copied().collect();
        if access_ids.is_empty() {
            access_ids.insert(AccessId::Member);
        }
        Ok(Self {
            name: name.to_owned(),
            uid: uid.to_owned(),
            generation,
            on_authority_lost: spec.on_authority_lost.unwrap_or_default(),
            namespaces: spec.namespaces.iter().map(|name| name.0.clone()).collect(),
            selector: spec.namespace_selector.clone(),
            tenants: spec.tenants.iter().map(|name| name.0.clone()).collect(),
            kinds: spec.kinds.iter().copied().collect(),
            groups: spec.groups.iter().map(|group| group.id.clone()).collect(),
            roles: spec
                .roles
                .iter()
                .map(|role| {
                    let scopes = role.directory_scope_ids.iter();
                    (role.id.clone(), scopes.map(|id| id.0.clone()).collect())
                })
                .collect(),
            access_ids,
            principal_kinds: spec.principals.kinds.iter().copied().collect(),
            member_of: spec.principals.member_of_group_ids.clone(),
            permanent: limits.permanent == Some(Permanence::Allowed),
            eligibility: length(
                "limits.maxEligibilityDuration",
                limits.max_eligibility_duration,
            )?,
            assignment: length(
                "limits.maxAssignmentDuration",
                limits.max_assignment_duration,
            )?,
            justification: requirements.justification == Some(Requirement::Required),
            ticket: requirements.ticket == Some(Requirement::Required),
            max_grants: limits.max_grants_per_namespace,
            floor,
        })
    }

    /// Whether it names the target of a request, by id.
    pub(super) fn lists_target(&self, request: &Request) -> bool {
        match &request.target {
            GrantTarget::Group { id, .. } => self.groups.contains(id),
            GrantTarget::Role { id, scope } => self
                .roles
                .get(id)
                .is_some_and(|scopes| scopes.contains(scope)),
        }
    }

    /// The longest window of a kind, and how the boundary writes it.
    pub(super) fn max_duration(&self, kind: GrantKind) -> Option<&(TimeDelta, String)> {
        match kind {
            GrantKind::GroupEligibility | GrantKind::RoleEligibility => self.eligibility.as_ref(),
            GrantKind::GroupAssignment | GrantKind::RoleAssignment => self.assignment.as_ref(),
            GrantKind::PimPolicy => None,
        }
    }

    pub(super) fn permit(&self, by_labels: bool) -> Permit {
        Permit {
            name: self.name.clone(),
            uid: self.uid.clone(),
            generation: self.generation,
            max_grants: self.max_grants,
            by_labels,
        }
    }

    /// Whether the request would meet the boundary but for its length, its papers and the quota: the access itself is
    /// one that this boundary gives.
    fn covers(&self, request: &Request) -> bool {
        let access = match request.target {
            GrantTarget::Group { access, .. } => self.access_ids.contains(&access),
            GrantTarget::Role { .. } => true,
        };
        access
            && self.tenants.contains(&request.tenant)
            && self.kinds.contains(&request.kind)
            && self.lists_target(request)
    }
}

/// All boundaries that can be read.
#[derive(Clone, Debug, Default)]
pub struct Fence {
    boundaries: Vec<Boundary>,
    /// Where the boundaries are that name a namespace.
    by_name: HashMap<String, Vec<usize>>,
    /// Where those are that have a selector.
    by_labels: Vec<usize>,
}

impl Fence {
    /// A fence of boundaries, in any order.
    #[must_use]
    pub fn new(boundaries: Vec<Boundary>) -> Self {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_labels = Vec::new();
        for (place, boundary) in boundaries.iter().enumerate() {
            for namespace in &boundary.namespaces {
                let places = by_name.entry(namespace.clone()).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
            if boundary.selector.is_some() {
                by_labels.push(place);
            }
        }
        Self {
            boundaries,
            by_name,
            by_labels,
        }
    }

    /// A boundary by its uid.
    #[must_use]
    pub fn by_uid(&self, uid: &str) -> Option<&Boundary> {
        self.boundaries.iter().find(|boundary| boundary.uid == uid)
    }

    /// The boundaries that select a namespace, and whether only by its labels.
    pub(super) fn selecting(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Vec<(&Boundary, bool)> {
        let named = self.by_name.get(namespace).map_or(&[][..], Vec::as_slice);
        let selected = self.by_labels.iter().filter(|place| {
            let selector = self.boundaries[**place].selector.as_ref();
            !named.contains(place) && selector.is_some_and(|selector| selects(selector, labels))
        });
        let named = named.iter().map(|place| (&self.boundaries[*place], false));
        named
            .chain(selected.map(|place| (&self.boundaries[*place], true)))
            .collect()
    }

    /// Which boundaries select a namespace, and in which state they are: while it stays the same, so do all rulings.
    #[must_use]
    pub fn state_for(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> BTreeSet<(String, i64)> {
        self.selecting(namespace, labels)
            .iter()
            .map(|(boundary, _)| (boundary.uid.clone(), boundary.generation))
            .collect()
    }

    /// Whether a boundary gives the namespace this access at all, whatever its limits.
    #[must_use]
    pub fn covers(&self, request: &Request, labels: &BTreeMap<String, String>) -> bool {
        self.selecting(&request.namespace, labels)
            .iter()
            .any(|(boundary, _)| boundary.covers(request))
    }
}

/// Whether a selector selects labels. One that states nothing selects nothing.
fn selects(selector: &NamespaceSelector, labels: &BTreeMap<String, String>) -> bool {
    let stated = !selector.match_labels.is_empty() || !selector.match_expressions.is_empty();
    let equal = selector
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value));
    stated
        && equal
        && selector.match_expressions.iter().all(|expression| {
            let value = labels.get(&expression.key);
            let is_one =
                || value.is_some_and(|value| expression.values.iter().any(|one| one.0 == *value));
            match expression.operator {
                LabelOperator::In => is_one(),
                LabelOperator::NotIn => !is_one(),
                LabelOperator::Exists => value.is_some(),
                LabelOperator::DoesNotExist => value.is_none(),
            }
        })
}
