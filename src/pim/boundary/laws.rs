//! The laws of the fence, on generated boundaries, requests and facts from a universe small enough that they meet.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proptest::{collection::vec, prelude::*, sample::select, sample::subsequence};

use super::{denial::Cause, *};
use crate::{
    api::{
        boundary::{
            BoundaryGroup, BoundaryLimits, BoundaryPrincipals, BoundaryRequirements, BoundaryRole,
            DirectoryScopeId, GrantBoundarySpec, NamespaceName, NamespaceSelector, Permanence,
            Requirement, TenantName,
        },
        references::AccessId,
    },
    pim::{duration, laws::cases},
};

/// Cases of each law: six laws.
const CASES: u32 = 17_000;
const _: () = assert!(6 * CASES >= 100_000);

fn id(number: u32) -> Guid {
    Guid::new(format!("00000000-0000-4000-8000-{number:012}"))
}

/// Groups are 0 to 3, roles 10 to 11 and a tier-0 one, principals 20 to 22, the operator 90.
fn groups() -> Vec<Guid> {
    (0..4).map(id).collect()
}

fn roles() -> Vec<Guid> {
    let tier_zero = Guid::new(deny_list::TIER_ZERO[0].template_id);
    vec![id(10), id(11), tier_zero]
}

fn some<T: Clone + std::fmt::Debug + 'static>(of: Vec<T>) -> impl Strategy<Value = Vec<T>> {
    let most = of.len();
    subsequence(of, 0..=most)
}

const KINDS: [GrantKind; 4] = [
    GrantKind::GroupEligibility,
    GrantKind::GroupAssignment,
    GrantKind::RoleEligibility,
    GrantKind::RoleAssignment,
];
const PRINCIPALS: [PrincipalKind; 3] = [
    PrincipalKind::User,
    PrincipalKind::Group,
    PrincipalKind::ServicePrincipal,
];

fn limits() -> impl Strategy<Value = Option<BoundaryLimits>> {
    let length = || proptest::option::of(select(vec!["PT8H", "P1D", "P90D"]));
    let limits = (
        any::<bool>(),
        length(),
        length(),
        proptest::option::of(0..4_u32),
    )
        .prop_map(|(permanent, eligibility, assignment, max)| BoundaryLimits {
            permanent: permanent.then_some(Permanence::Allowed),
            max_eligibility_duration: eligibility.map(str::to_owned),
            max_assignment_duration: assignment.map(str::to_owned),
            max_grants_per_namespace: max,
        });
    proptest::option::of(limits)
}

fn spec() -> impl Strategy<Value = GrantBoundarySpec> {
    let required = || any::<bool>().prop_map(|yes| yes.then_some(Requirement::Required));
    let principals = (
        some(PRINCIPALS.to_vec()),
        some(groups()).prop_map(|ids| {
            // Most boundaries demand no membership.
            if ids.len() > 2 { vec![] } else { ids }
        }),
    );
    let requirements = (required(), required());
    let where_ = (some(vec!["a", "b"]), any::<bool>(), some(vec!["t", "u"]));
    let what = (
        some(KINDS.to_vec()),
        some(groups()),
        some(roles()),
        some(vec!["/", "/administrativeUnits/x"]),
        some(vec![AccessId::Member, AccessId::Owner]),
    );
    (where_, what, principals, requirements, limits()).prop_map(
        |(
            (namespaces, labelled, tenants),
            (kinds, groups, roles, scopes, access_ids),
            (kinds_of_principals, member_of),
            (justification, ticket),
            limits,
        )| GrantBoundarySpec {
            namespaces: namespaces
                .into_iter()
                .map(|name| NamespaceName(name.into()))
                .collect(),
            namespace_selector: labelled.then(|| NamespaceSelector {
                match_labels: BTreeMap::from([("team".into(), "a".into())]),
                match_expressions: vec![],
            }),
            tenants: tenants
                .into_iter()
                .map(|name| TenantName(name.into()))
                .collect(),
            kinds,
            groups: groups.into_iter().map(|id| BoundaryGroup { id }).collect(),
            roles: roles
                .into_iter()
                .map(|id| BoundaryRole {
                    id,
                    directory_scope_ids: scopes
                        .iter()
                        .map(|scope| DirectoryScopeId((*scope).into()))
                        .collect(),
                })
                .collect(),
            access_ids,
            principals: BoundaryPrincipals {
                kinds: kinds_of_principals,
                member_of_group_ids: member_of,
            },
            limits,
            requirements: Some(BoundaryRequirements {
                justification,
                ticket,
            }),
            policy_floor: None,
            on_authority_lost: None,
        },
    )
}

fn read(number: usize, spec: &GrantBoundarySpec) -> Boundary {
    let name = format!("boundary-{number}");
    Boundary::read((&name, &format!("uid-{number}"), 1), spec).unwrap()
}

fn fence(specs: &[GrantBoundarySpec]) -> Fence {
    Fence::new(
        specs
            .iter()
            .enumerate()
            .map(|(number, spec)| read(number, spec))
            .collect(),
    )
}

fn request() -> impl Strategy<Value = Request> {
    let span = prop_oneof![
        1 => Just(Span::Permanent),
        4 => select(vec![4 * 60, 8 * 60, 8 * 60 + 1, 24 * 60, 90 * 24 * 60, 200 * 24 * 60])
            .prop_map(|minutes| Span::For(TimeDelta::minutes(minutes))),
    ];
    let target = (select(groups()), select(roles()), any::<[bool; 2]>());
    let flags = any::<[bool; 2]>();
    (
        select(vec!["a", "b", "c"]),
        select(vec!["t", "u"]),
        select(KINDS.to_vec()),
        target,
        20..23_u32,
        span,
        flags,
    )
        .prop_map(
            |(
                namespace,
                tenant,
                kind,
                (group, role, [owner, tenant_wide]),
                principal,
                span,
                [justified, ticketed],
            )| {
                let target = match kind {
                    GrantKind::RoleEligibility | GrantKind::RoleAssignment => GrantTarget::Role {
                        id: role,
                        scope: if tenant_wide {
                            "/"
                        } else {
                            "/administrativeUnits/x"
                        }
                        .into(),
                    },
                    _ => GrantTarget::Group {
                        id: group,
                        access: if owner {
                            AccessId::Owner
                        } else {
                            AccessId::Member
                        },
                    },
                };
                Request {
                    namespace: namespace.into(),
                    tenant: tenant.into(),
                    kind,
                    target,
                    principal: id(principal),
                    span,
                    justified,
                    ticketed,
                }
            },
        )
}

/// All facts, known.
#[derive(Clone, Debug)]
struct Known {
    labels: BTreeMap<String, String>,
    principal_kind: PrincipalKind,
    memberships: BTreeMap<Guid, bool>,
    held: u32,
    operator: OperatorIdentity,
    protected: Vec<Guid>,
    role_assignable: bool,
}

fn known() -> impl Strategy<Value = Known> {
    let few = |ids: Vec<Guid>| {
        vec(select(ids), 0..2).prop_map(|ids| ids.into_iter().collect::<BTreeSet<_>>())
    };
    let rarely = || prop::bool::weighted(0.15);
    (
        any::<bool>(),
        select(PRINCIPALS.to_vec()),
        any::<[bool; 4]>(),
        0..4_u32,
        (few(groups()), few(groups()), rarely(), rarely()),
        rarely(),
    )
        .prop_map(
            |(
                labelled,
                principal_kind,
                member,
                held,
                (own, nested, deny, protect),
                role_assignable,
            )| Known {
                labels: if labelled {
                    BTreeMap::from([("team".into(), "a".into())])
                } else {
                    BTreeMap::new()
                },
                principal_kind,
                memberships: groups().into_iter().zip(member).collect(),
                held,
                operator: OperatorIdentity {
                    service_principal: id(90),
                    groups: if deny { own } else { BTreeSet::new() },
                    nested: if deny { nested } else { BTreeSet::new() },
                },
                protected: if protect { vec![id(20)] } else { vec![] },
                role_assignable,
            },
        )
}

impl Known {
    fn facts(&self) -> Facts<'_> {
        Facts {
            namespace_labels: &self.labels,
            principal_kind: Some(self.principal_kind),
            memberships: &self.memberships,
            held_by_others: self.held,
            operator: Some(&self.operator),
            protected: &self.protected,
            role_assignable: Some(self.role_assignable),
            lifted: &[],
            authorized_by: None,
        }
    }
}

fn is_allowed(ruling: &Ruling) -> bool {
    matches!(ruling, Ruling::Allowed(_))
}

/// Changes a boundary and what is known as the clause says.
fn mend(miss: &Miss, spec: &mut GrantBoundarySpec, known: &mut Known, request: &Request) {
    let mut limits = spec.limits.take().unwrap_or_default();
    let mut requirements = spec.requirements.take().unwrap_or_default();
    match miss {
        Miss::Tenant => spec.tenants.push(TenantName(request.tenant.clone())),
        Miss::Kind => spec.kinds.push(request.kind),
        Miss::Target => match &request.target {
            GrantTarget::Group { id, .. } => spec.groups.push(BoundaryGroup { id: id.clone() }),
            GrantTarget::Role { id, scope } => {
                spec.roles.retain(|role| role.id != *id);
                spec.roles.push(BoundaryRole {
                    id: id.clone(),
                    directory_scope_ids: vec![DirectoryScopeId(scope.clone())],
                });
            }
        },
        Miss::Access => {
            if let GrantTarget::Group { access, .. } = request.target {
                spec.access_ids.push(access);
            }
        }
        Miss::PrincipalKind(kind) => spec.principals.kinds.push(*kind),
        Miss::Membership(groups) => {
            known.memberships.insert(groups[0].clone(), true);
        }
        Miss::Permanent => limits.permanent = Some(Permanence::Allowed),
        Miss::Duration { limit } => {
            let Span::For(length) = request.span else {
                panic!("a window without an end has no length");
            };
            assert!(duration::parse(limit).unwrap() < length);
            let longer = Some(duration::format(length));
            limits.max_eligibility_duration.clone_from(&longer);
            limits.max_assignment_duration = longer;
        }
        Miss::Justification => requirements.justification = None,
        Miss::Ticket => requirements.ticket = None,
        Miss::Floor(_) => {}
        Miss::Quota { limit } => known.held = limit.saturating_sub(1),
    }
    spec.limits = Some(limits);
    spec.requirements = Some(requirements);
}

proptest! {
    #![proptest_config(cases(CASES))]

    #[test]
    fn adding_a_boundary_never_removes_an_allow(
        specs in vec(spec(), 0..5), another in spec(), request in request(), known in known(),
    ) {
        let before = is_allowed(&fence(&specs).rule(&request, &known.facts()));
        let more: Vec<_> = specs.into_iter().chain([another]).collect();
        prop_assert!(!before || is_allowed(&fence(&more).rule(&request, &known.facts())));
    }

    #[test]
    fn the_order_of_boundaries_and_of_their_lists_never_matters(
        specs in vec(spec(), 0..5), request in request(), known in known(),
    ) {
        let ruling = fence(&specs).rule(&request, &known.facts());
        let turned = Fence::new(specs.iter().enumerate().rev().map(|(number, spec)| {
            let mut spec = spec.clone();
            spec.namespaces.reverse();
            spec.tenants.reverse();
            spec.kinds.reverse();
            spec.groups.reverse();
            spec.roles.reverse();
            spec.access_ids.reverse();
            spec.principals.kinds.reverse();
            read(number, &spec)
        }).collect());
        prop_assert_eq!(turned.rule(&request, &known.facts()), ruling);
    }

    #[test]
    fn the_deny_list_dominates(
        specs in vec(spec(), 0..5), request in request(), known in known(), whom in 0..4_u32,
    ) {
        let mut known = known;
        let mut request = request;
        match whom {
            0 => known.protected.push(request.principal.clone()),
            1 => known.operator.service_principal = request.principal.clone(),
            2 => { known.operator.groups.insert(request.principal.clone()); }
            _ => match &mut request.target {
                GrantTarget::Group { id, .. } => { known.operator.nested.insert(id.clone()); }
                GrantTarget::Role { id, .. } => *id = roles()[2].clone(),
            },
        }
        let ruling = fence(&specs).rule(&request, &known.facts());
        let listed = matches!(&ruling, Ruling::Denied(denial) if denial.is_listed());
        prop_assert!(listed, "{ruling:?}");
        // Lifted, the entry counts no more: only another one or a boundary can deny.
        if let Ruling::Denied(Denial { cause: Cause::Listed(entry), .. }) = ruling {
            let lifted: Vec<_> = entry.lift().into_iter().collect();
            prop_assume!(!lifted.is_empty());
            let facts = Facts { lifted: &lifted, ..known.facts() };
            let again = fence(&specs).rule(&request, &facts);
            let same = matches!(&again, Ruling::Denied(Denial { cause: Cause::Listed(other), .. }) if other.lift() == entry.lift());
            prop_assert!(!same, "{again:?}");
        }
    }

    #[test]
    fn an_allow_names_a_boundary_that_alone_allows_the_whole_grant(
        specs in vec(spec(), 1..6), request in request(), known in known(),
    ) {
        if let Ruling::Allowed(permit) = fence(&specs).rule(&request, &known.facts()) {
            let (number, spec) = specs.iter().enumerate()
                .find(|(number, _)| permit.uid == format!("uid-{number}")).unwrap();
            let alone = Fence::new(vec![read(number, spec)]);
            prop_assert_eq!(alone.rule(&request, &known.facts()), Ruling::Allowed(permit));
        }
    }

    #[test]
    fn a_denial_names_clauses_that_changed_as_it_says_allow(
        specs in vec(spec(), 0..4), request in request(), known in known(),
    ) {
        let Ruling::Denied(denial) = fence(&specs).rule(&request, &known.facts()) else { return Ok(()) };
        let sentence = denial.to_string();
        let mut known = known;
        let mended = match denial.cause {
            Cause::Listed(_) => return Ok(()),
            Cause::NoBoundary => {
                let (_, yaml) = sentence.split_once("has the spec ").unwrap();
                fence(&[serde_saphyr::from_str(yaml).unwrap()])
            }
            Cause::Boundary { name, misses } => {
                let number = name.strip_prefix("boundary-").unwrap().parse::<usize>().unwrap();
                let mut spec = specs[number].clone();
                for miss in &misses {
                    prop_assert!(sentence.contains(miss.clause().split('.').next().unwrap()) || *miss == Miss::Target, "{sentence}");
                    mend(miss, &mut spec, &mut known, &request);
                }
                Fence::new(vec![read(number, &spec)])
            }
        };
        let ruling = mended.rule(&request, &known.facts());
        let unmendable = matches!(&ruling, Ruling::Denied(Denial { cause: Cause::Boundary { misses, .. }, .. }) if misses == &[Miss::Quota { limit: 0 }]);
        prop_assert!(is_allowed(&ruling) || unmendable, "{sentence}\n{ruling:?}");
    }

    #[test]
    fn a_fact_that_is_not_known_never_helps(
        specs in vec(spec(), 0..5), request in request(), known in known(), forget in any::<[bool; 6]>(),
    ) {
        let whole = fence(&specs).rule(&request, &known.facts());
        let mut memberships = known.memberships.clone();
        for (group, forget) in groups().iter().zip(&forget[2..]) {
            if *forget {
                memberships.remove(group);
            }
        }
        let facts = known.facts();
        let partly = Facts {
            operator: facts.operator.filter(|_| !forget[0]),
            principal_kind: facts.principal_kind.filter(|_| !forget[1]),
            memberships: &memberships,
            ..facts
        };
        match fence(&specs).rule(&request, &partly) {
            Ruling::Allowed(_) => prop_assert!(is_allowed(&whole), "{whole:?}"),
            Ruling::Denied(_) => prop_assert!(!is_allowed(&whole), "{whole:?}"),
            Ruling::Unknown(need) => prop_assert!(!need.is_empty()),
        }
    }
}
