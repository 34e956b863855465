use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::*;
use crate::api::boundary::GrantBoundarySpec;

const GROUP: &str = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7";
const ALICE: &str = "a11ce000-0000-4000-8000-000000000001";

fn boundary(name: &str, yaml: &str) -> Boundary {
    let spec: GrantBoundarySpec = serde_saphyr::from_str(yaml).unwrap();
    Boundary::read((name, &format!("uid-{name}"), 1), &spec).unwrap()
}

fn payments(further: &str) -> Boundary {
    boundary(
        "payments",
        &format!(
            "{{namespaces: [payments], tenants: [contoso], kinds: [GroupEligibility], groups: [{{id: {GROUP}}}], principals: {{kinds: [User]}}{further}}}"
        ),
    )
}

fn request() -> Request {
    Request {
        namespace: "payments".into(),
        tenant: "contoso".into(),
        kind: GrantKind::GroupEligibility,
        target: GrantTarget::Group {
            id: Guid::new(GROUP),
            access: AccessId::Member,
        },
        principal: Guid::new(ALICE),
        span: Span::For(TimeDelta::days(90)),
        justified: false,
        ticketed: false,
    }
}

struct Known {
    labels: BTreeMap<String, String>,
    memberships: BTreeMap<Guid, bool>,
    operator: OperatorIdentity,
    protected: Vec<Guid>,
    lifted: Vec<Lift>,
}

impl Known {
    fn new() -> Self {
        Self {
            labels: BTreeMap::new(),
            memberships: BTreeMap::new(),
            operator: OperatorIdentity {
                service_principal: Guid::new("0be2a702-0000-4000-8000-000000000001"),
                ..OperatorIdentity::default()
            },
            protected: vec![],
            lifted: vec![],
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            namespace_labels: &self.labels,
            principal_kind: Some(PrincipalKind::User),
            memberships: &self.memberships,
            held_by_others: 0,
            operator: Some(&self.operator),
            protected: &self.protected,
            role_assignable: None,
            lifted: &self.lifted,
            authorized_by: None,
        }
    }
}

fn denied(ruling: Ruling) -> String {
    match ruling {
        Ruling::Denied(denial) => denial.to_string(),
        other => panic!("{other:?}"),
    }
}

fn allows(ruling: &Ruling) -> Option<&str> {
    match ruling {
        Ruling::Allowed(permit) => Some(&permit.name),
        _ => None,
    }
}

#[test]
fn without_a_boundary_nothing_is_allowed_and_the_shortest_that_would_is_shown() {
    let known = Known::new();
    let text = denied(Fence::default().rule(&request(), &known.facts()));
    assert!(
        text.starts_with("no GrantBoundary selects the namespace payments;"),
        "{text}"
    );
    let (_, spec) = text.split_once("has the spec ").unwrap();
    let fence = Fence::new(vec![boundary("suggested", spec)]);
    assert_eq!(
        allows(&fence.rule(&request(), &known.facts())),
        Some("suggested")
    );
}

#[test]
fn the_nearest_miss_names_every_clause_that_stands_in_the_way() {
    let known = Known::new();
    let fence = Fence::new(vec![
        payments(", limits: {maxEligibilityDuration: P30D}, requirements: {ticket: Required}"),
        boundary(
            "far",
            "{namespaces: [payments], tenants: [fabrikam], kinds: [PimPolicy], principals: {kinds: [Group]}}",
        ),
    ]);
    let text = denied(fence.rule(&request(), &known.facts()));
    assert_eq!(
        text,
        "no GrantBoundary allows this grant; payments comes nearest: its `limits.maxEligibilityDuration` is P30D, and the window is P90D long; shorten `scheduleInfo`; and its `requirements.ticket` is Required; set `ticketInfo`"
    );
}

#[test]
fn limits_of_two_boundaries_are_never_mixed() {
    let known = Known::new();
    let long = payments(", requirements: {ticket: Required}");
    let short = Boundary {
        name: "short".into(),
        ..payments(", limits: {maxEligibilityDuration: P30D}")
    };
    let ruling = Fence::new(vec![long, short]).rule(&request(), &known.facts());
    assert!(matches!(ruling, Ruling::Denied(_)), "{ruling:?}");
}

#[test]
fn owners_and_permanence_have_to_be_allowed_expressly() {
    let known = Known::new();
    let fence = Fence::new(vec![payments("")]);
    let owner = Request {
        target: GrantTarget::Group {
            id: Guid::new(GROUP),
            access: AccessId::Owner,
        },
        span: Span::Permanent,
        ..request()
    };
    let text = denied(fence.rule(&owner, &known.facts()));
    assert!(text.contains("its `accessIds` lack owner"), "{text}");
    assert!(text.contains("`limits.permanent` forbids"), "{text}");
}

#[test]
fn membership_is_asked_for_only_where_nothing_else_stands_in_the_way() {
    let known = Known::new();
    let on_call = "68e55cce-0000-4000-8000-000000000006";
    let member_only = payments("").principals_in(on_call);
    let fence = Fence::new(vec![member_only]);
    let ruling = fence.rule(&request(), &known.facts());
    let needed = BTreeSet::from([Guid::new(on_call)]);
    assert!(
        matches!(&ruling, Ruling::Unknown(need) if need.memberships == needed),
        "{ruling:?}"
    );
    let elsewhere = Request {
        tenant: "fabrikam".into(),
        ..request()
    };
    assert!(denied(fence.rule(&elsewhere, &known.facts())).contains("its `tenants` lack fabrikam"));
    for (member, allowed) in [(true, Some("payments")), (false, None)] {
        let known = Known {
            memberships: BTreeMap::from([(Guid::new(on_call), member)]),
            ..Known::new()
        };
        assert_eq!(allows(&fence.rule(&request(), &known.facts())), allowed);
    }
}

impl Boundary {
    fn principals_in(self, group: &str) -> Self {
        Self {
            member_of: vec![Guid::new(group)],
            ..self
        }
    }
}

#[test]
fn namespaces_are_selected_by_name_or_by_label_and_an_empty_selector_selects_none() {
    let known = Known {
        labels: BTreeMap::from([("team".to_owned(), "payments".to_owned())]),
        ..Known::new()
    };
    let labelled = |selector: &str| {
        boundary(
            "labelled",
            &format!(
                "{{namespaceSelector: {selector}, tenants: [contoso], kinds: [GroupEligibility], groups: [{{id: {GROUP}}}], principals: {{kinds: [User]}}}}"
            ),
        )
    };
    for (selector, allowed) in [
        ("{matchLabels: {team: payments}}", true),
        ("{matchLabels: {team: logistics}}", false),
        (
            "{matchExpressions: [{key: team, operator: In, values: [payments]}]}",
            true,
        ),
        (
            "{matchExpressions: [{key: team, operator: NotIn, values: [payments]}]}",
            false,
        ),
        ("{matchExpressions: [{key: team, operator: Exists}]}", true),
        (
            "{matchExpressions: [{key: team, operator: DoesNotExist}]}",
            false,
        ),
        ("{}", false),
    ] {
        let ruling = Fence::new(vec![labelled(selector)]).rule(&request(), &known.facts());
        assert_eq!(allows(&ruling).is_some(), allowed, "{selector}");
    }
}

#[test]
fn the_deny_list_outranks_every_boundary_until_a_flag_lifts_the_entry() {
    let fence = Fence::new(vec![payments("")]);
    let operators_group = Known {
        operator: OperatorIdentity {
            nested: BTreeSet::from([Guid::new(GROUP)]),
            ..OperatorIdentity::default()
        },
        ..Known::new()
    };
    let text = denied(fence.rule(&request(), &operators_group.facts()));
    let flag = format!("--lift-denial=group:{GROUP}");
    assert!(text.contains(&flag), "{text}");
    let protected = Known {
        protected: vec![Guid::new(ALICE)],
        ..Known::new()
    };
    let text = denied(fence.rule(&request(), &protected.facts()));
    assert!(text.contains("protectedPrincipals"), "{text}");
    let lifted = Known {
        protected: vec![Guid::new(ALICE)],
        lifted: vec![format!("principal:{ALICE}").parse().unwrap()],
        ..Known::new()
    };
    assert!(allows(&fence.rule(&request(), &lifted.facts())).is_some());
}

#[test]
fn a_role_that_rules_the_tenant_is_on_the_deny_list() {
    let known = Known::new();
    for role in deny_list::TIER_ZERO {
        let fence = Fence::new(vec![boundary(
            "roles",
            &format!(
                "{{namespaces: [payments], tenants: [contoso], kinds: [RoleEligibility], roles: [{{id: {}, directoryScopeIds: [/]}}], principals: {{kinds: [User]}}}}",
                role.template_id
            ),
        )]);
        let request = Request {
            kind: GrantKind::RoleEligibility,
            target: GrantTarget::Role {
                id: Guid::new(role.template_id),
                scope: "/".into(),
            },
            ..request()
        };
        let text = denied(fence.rule(&request, &known.facts()));
        assert!(
            text.contains(role.name) && text.contains(role.why),
            "{text}"
        );
    }
}

#[test]
fn no_role_is_given_over_the_operator_itself() {
    let known = Known::new();
    let operator = known.operator.service_principal.clone();
    let role = "729827e3-9c14-49f7-bb1b-9608f156bbb8";
    let fence = Fence::new(vec![boundary(
        "payments",
        &format!(
            "{{namespaces: [payments], tenants: [contoso], kinds: [RoleAssignment], roles: [{{id: {role}, directoryScopeIds: [/{operator}]}}], principals: {{kinds: [User]}}}}"
        ),
    )]);
    let request = Request {
        kind: GrantKind::RoleAssignment,
        target: GrantTarget::Role {
            id: Guid::new(role),
            scope: format!("/{operator}"),
        },
        ..request()
    };
    let text = denied(fence.rule(&request, &known.facts()));
    assert!(text.contains("the scope is the operator itself"), "{text}");
}

#[test]
fn nobody_is_allowed_anything_before_the_operator_knows_who_it_is() {
    let known = Known::new();
    let facts = Facts {
        operator: None,
        ..known.facts()
    };
    let ruling = Fence::new(vec![payments("")]).rule(&request(), &facts);
    assert!(
        matches!(&ruling, Ruling::Unknown(need) if need.operator),
        "{ruling:?}"
    );
}

#[test]
fn the_boundary_that_allowed_it_before_is_kept_while_it_still_does() {
    let known = Known::new();
    let other = Boundary {
        name: "another".into(),
        uid: "uid-another".into(),
        ..payments("")
    };
    let fence = Fence::new(vec![payments(""), other]);
    assert_eq!(
        allows(&fence.rule(&request(), &known.facts())),
        Some("another")
    );
    let facts = Facts {
        authorized_by: Some("uid-payments"),
        ..known.facts()
    };
    assert_eq!(allows(&fence.rule(&request(), &facts)), Some("payments"));
}

#[test]
fn a_lift_is_read_in_any_case_and_nothing_else_is_one() {
    let lift: Lift = "role:62E90394-69F5-4237-9190-012177145E10".parse().unwrap();
    assert_eq!(
        lift.to_string(),
        "role:62e90394-69f5-4237-9190-012177145e10"
    );
    for text in [
        "",
        "role",
        "role:",
        "role:*",
        "user:62e90394-69f5-4237-9190-012177145e10",
    ] {
        assert!(text.parse::<Lift>().is_err(), "{text}");
    }
}
