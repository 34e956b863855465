//! The decision whether a policy is allowed. The deny list and the boundaries are those of grants; what is asked differs: whose
//! rules, and nothing below the boundary's floor.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::{
    Boundary, Denial, Facts, Fence, GrantTarget, Lift, Miss, Need, OperatorIdentity, Request,
    Ruling, Span, deny_list,
};
use crate::{
    api::{boundary::GrantKind, guid::Guid, references::AccessId},
    pim::policy::Stated,
};

/// What is asked: a policy in ids and values.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRequest<'a> {
    /// The namespace of the object.
    pub namespace: &'a str,
    /// The labels of the namespace.
    pub namespace_labels: &'a BTreeMap<String, String>,
    /// The name of the `EntraTenant`.
    pub tenant: &'a str,
    /// The group or role, by id.
    pub target: &'a Guid,
    /// The relationship with the group; none for a role.
    pub access: Option<AccessId>,
    /// What is stated.
    pub stated: &'a Stated,
    /// Who the operator is in the tenant, if it is known.
    pub operator: Option<&'a OperatorIdentity>,
    /// Whether the target is a group that may hold directory roles, if it is known.
    pub role_assignable: Option<bool>,
    /// What a flag of the controller takes off the deny list.
    pub lifted: &'a [Lift],
    /// The uid of the boundary that allowed the policy before. Of several that allow it, it is kept.
    pub authorized_by: Option<&'a str>,
}

impl PolicyRequest<'_> {
    /// The same as a grant to nobody. A role's policy holds at every scope, so that only whoever may grant the role in the whole
    /// tenant may change it.
    fn as_grant(&self) -> Request {
        let id = self.target.clone();
        Request {
            namespace: self.namespace.to_owned(),
            tenant: self.tenant.to_owned(),
            kind: GrantKind::PimPolicy,
            target: match self.access {
                Some(access) => GrantTarget::Group { id, access },
                None => GrantTarget::Role {
                    id,
                    scope: "/".to_owned(),
                },
            },
            principal: Guid::new("00000000-0000-0000-0000-000000000000"),
            span: Span::For(TimeDelta::zero()),
            justified: true,
            ticketed: true,
        }
    }
}

impl Fence {
    /// Rules on a policy.
    #[must_use]
    pub fn rule_policy(&self, asked: &PolicyRequest<'_>) -> Ruling {
        let request = asked.as_grant();
        let memberships = BTreeMap::new();
        let facts = Facts {
            namespace_labels: asked.namespace_labels,
            principal_kind: None,
            memberships: &memberships,
            held_by_others: 0,
            operator: asked.operator,
            protected: &[],
            role_assignable: asked.role_assignable,
            lifted: asked.lifted,
            authorized_by: asked.authorized_by,
        };
        let selected = self.selecting(asked.namespace, asked.namespace_labels);
        let listed = |boundary: &&Boundary| boundary.lists_target(&request);
        if let Some(entry) = deny_list::matching(&request, &facts, || {
            selected.iter().any(|(one, _)| listed(one))
        }) {
            return Ruling::Denied(Denial::listed(entry, request.kind));
        }
        let mut permits = Vec::new();
        let mut misses = Vec::new();
        for (boundary, by_labels) in &selected {
            let clauses = boundary.misses_policy(&request, asked.stated);
            if clauses.is_empty() {
                permits.push(boundary.permit(*by_labels));
            } else {
                misses.push((boundary.name.as_str(), clauses));
            }
        }
        // The groups that the operator is in are nobody's to change.
        if !permits.is_empty() && asked.access.is_some() && asked.operator.is_none() {
            return Ruling::Unknown(Need {
                operator: true,
                ..Need::default()
            });
        }
        let keep = |permit: &&super::Permit| Some(permit.uid.as_str()) == asked.authorized_by;
        let first = permits.iter().min_by(|one, two| one.name.cmp(&two.name));
        match permits.iter().find(keep).or(first) {
            Some(permit) => Ruling::Allowed(permit.clone()),
            None => Ruling::Denied(Denial::nearest(&request, &facts, misses)),
        }
    }
}

impl Boundary {
    /// The clauses that a policy does not meet.
    fn misses_policy(&self, request: &Request, stated: &Stated) -> Vec<Miss> {
        let mut misses = Vec::new();
        let mut demand = |holds: bool, miss: Miss| {
            if !holds {
                misses.push(miss);
            }
        };
        demand(self.tenants.contains(&request.tenant), Miss::Tenant);
        demand(self.kinds.contains(&request.kind), Miss::Kind);
        demand(self.lists_target(request), Miss::Target);
        if let GrantTarget::Group { access, .. } = &request.target {
            demand(self.access_ids.contains(access), Miss::Access);
        }
        misses.extend(self.floor.below(stated).into_iter().map(Miss::Floor));
        misses
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::boundary::GrantBoundarySpec,
        pim::{boundary::DenyEntry, policy::baseline},
    };

    const GROUP: &str = "00000000-0000-4000-8000-000000000001";
    const ROLE: &str = "729827e3-9c14-49f7-bb1b-9608f156bbb8";

    fn fence(change: impl FnOnce(&mut Value)) -> Fence {
        let mut spec = json!({
            "namespaces": ["payments"],
            "tenants": ["contoso"],
            "kinds": ["PimPolicy"],
            "groups": [{"id": GROUP}],
            "roles": [{"id": ROLE, "directoryScopeIds": ["/"]}],
            "principals": {"kinds": ["User"]},
            "policyFloor": {"maximumActivationDuration": "PT8H", "multiFactorAuthentication": "Required"},
        });
        change(&mut spec);
        let spec: GrantBoundarySpec = serde_json::from_value(spec).unwrap();
        Fence::new(vec![Boundary::read(("fence", "uid", 1), &spec).unwrap()])
    }

    fn operator() -> OperatorIdentity {
        OperatorIdentity {
            service_principal: Guid::new("00000000-0000-4000-8000-000000000090"),
            ..OperatorIdentity::default()
        }
    }

    fn stated(spec: Value) -> Stated {
        Stated::read(&serde_json::from_value(spec).unwrap(), baseline::approver).unwrap()
    }

    fn ask(fence: &Fence, id: &str, access: Option<AccessId>, spec: Value) -> Ruling {
        let (labels, operator) = (BTreeMap::new(), operator());
        fence.rule_policy(&PolicyRequest {
            namespace: "payments",
            namespace_labels: &labels,
            tenant: "contoso",
            target: &Guid::new(id),
            access,
            stated: &stated(spec),
            operator: Some(&operator),
            role_assignable: Some(false),
            lifted: &[],
            authorized_by: None,
        })
    }

    fn denial(ruling: Ruling) -> Denial {
        match ruling {
            Ruling::Denied(denial) => denial,
            other => panic!("{other:?}"),
        }
    }

    const MEMBER: Option<AccessId> = Some(AccessId::Member);

    #[test]
    fn a_policy_within_a_boundary_is_allowed_and_one_below_its_floor_denied_whole() {
        let fence = fence(|_| {});
        let good = json!({"activation": {"maximumDuration": "PT8H", "require": ["MultiFactorAuthentication"]}});
        assert!(matches!(
            ask(&fence, GROUP, MEMBER, good.clone()),
            Ruling::Allowed(_)
        ));
        assert!(matches!(ask(&fence, ROLE, None, good), Ruling::Allowed(_)));
        let bad = json!({"eligibility": {"maximumDuration": "P1D"}, "activation": {"maximumDuration": "PT9H", "require": []}});
        let denial = denial(ask(&fence, GROUP, MEMBER, bad)).to_string();
        for words in [
            "this policy",
            "fence comes nearest",
            "is PT8H",
            "states PT9H",
            "and its `policyFloor.multiFactorAuthentication`",
        ] {
            assert!(denial.contains(words), "{denial}");
        }
    }

    #[test]
    fn a_policy_needs_its_kind_its_target_by_id_its_access_and_for_a_role_the_whole_tenant() {
        let silent = || json!({});
        let clause = |fence: &Fence, id, access| denial(ask(fence, id, access, silent())).clause();
        let other = "00000000-0000-4000-8000-000000000002";
        assert_eq!(clause(&fence(|_| {}), other, MEMBER), "target");
        assert_eq!(
            clause(&fence(|_| {}), GROUP, Some(AccessId::Owner)),
            "accessIds"
        );
        let kind = fence(|spec| spec["kinds"] = json!(["GroupEligibility"]));
        assert_eq!(clause(&kind, GROUP, MEMBER), "kinds");
        let unit = fence(|spec| {
            spec["roles"][0]["directoryScopeIds"] =
                json!(["/administrativeUnits/00000000-0000-4000-8000-000000000009"]);
        });
        assert_eq!(clause(&unit, ROLE, None), "target");
    }

    #[test]
    fn the_deny_list_holds_for_policies_too() {
        let tier_zero = deny_list::TIER_ZERO[0].template_id;
        let fence = fence(|spec| spec["roles"][0]["id"] = json!(tier_zero));
        let denial = denial(ask(&fence, tier_zero, None, json!({})));
        assert!(denial.is_listed(), "{denial}");
        let (labels, id) = (BTreeMap::new(), Guid::new(GROUP));
        let operator = OperatorIdentity {
            groups: [id.clone()].into(),
            ..operator()
        };
        let mut asked = PolicyRequest {
            namespace: "payments",
            namespace_labels: &labels,
            tenant: "contoso",
            target: &id,
            access: MEMBER,
            stated: &stated(json!({})),
            operator: Some(&operator),
            role_assignable: Some(false),
            lifted: &[],
            authorized_by: None,
        };
        let fence = self::fence(|_| {});
        let Ruling::Denied(denial) = fence.rule_policy(&asked) else {
            panic!("the operator's own group");
        };
        assert_eq!(
            denial.cause,
            super::super::denial::Cause::Listed(DenyEntry::OperatorsGroup(id.clone()))
        );
        asked.operator = None;
        assert!(matches!(fence.rule_policy(&asked), Ruling::Unknown(need) if need.operator));
    }
}
