//! A policy as Graph reports it, normalised: spelling, order and absence that mean the same compare equal.
//!
//! Beside each rule the words of Graph are kept, and a change is written into a copy of them: whatever this version does not know
//! of a rule goes back as it came. Rules that this version does not know at all are counted and never sent.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::TimeDelta;
use serde_json::{Map, Value};

use crate::{
    api::{
        guid::Guid,
        pim_policy::{ApproverKind, Demand, NotificationLevel},
    },
    pim::duration,
};

use super::{RuleId, span};

/// The rules of a policy.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: BTreeMap<RuleId, Known>,
    /// The ids of rules that this version does not know, or cannot read.
    pub unknown: Vec<String>,
}

#[derive(Clone, Debug)]
struct Known {
    rule: Rule,
    raw: Arc<Map<String, Value>>,
}

/// One rule, normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// How long access may last.
    Expiration {
        /// Whether it must end.
        required: bool,
        /// The longest window that ends; none where Graph names none that can be understood.
        maximum: Option<TimeDelta>,
    },
    /// What a request has to bring.
    Enablement {
        /// What this version knows.
        demands: BTreeSet<Demand>,
        /// What it does not know.
        other: BTreeSet<String>,
    },
    /// Who must approve.
    Approval {
        /// Whether anybody must.
        required: bool,
        /// Those who may; they stay recorded while nobody must.
        approvers: BTreeSet<Approver>,
        /// Approvers of sorts that PIM does not offer.
        other: BTreeSet<String>,
    },
    /// Which authentication context is demanded.
    AuthenticationContext {
        /// Whether one is.
        enabled: bool,
        /// Which one.
        claim: Option<String>,
    },
    /// Who is told.
    Notification {
        /// Which mails are sent; none where Graph names a level that is not known.
        level: Option<NotificationLevel>,
        /// Whether they go to those whom PIM chooses.
        defaults: bool,
        /// Whom they go to as well.
        recipients: BTreeSet<Address>,
    },
}

/// Somebody who may approve.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Approver {
    /// The object id.
    pub id: Guid,
    /// User or group.
    pub kind: ApproverKind,
}

/// A mail address; upper and lower case count as the same.
#[derive(Clone, Debug)]
pub struct Address(pub String);

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        let lower = |address: &Self| address.0.to_lowercase();
        lower(self).cmp(&lower(other))
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Address {}

impl Policy {
    /// Reads the rules of a policy.
    #[must_use]
    pub fn read(rules: &[Value]) -> Self {
        let mut policy = Self::default();
        for raw in rules {
            let name = raw["id"].as_str().unwrap_or_default();
            let read = RuleId::read(name).zip(raw.as_object());
            match read.and_then(|(id, raw)| Some((id, Rule::read(id, raw)?, raw.clone()))) {
                Some((id, rule, raw)) => {
                    let raw = Arc::new(raw);
                    policy.rules.insert(id, Known { rule, raw });
                }
                None => policy.unknown.push(name.to_owned()),
            }
        }
        policy.unknown.sort();
        policy
    }

    /// A rule, if it was read.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(&id).map(|known| &known.rule)
    }

    /// Every rule that was read.
    pub fn rules(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        self.rules.iter().map(|(id, known)| (*id, &known.rule))
    }

    /// A rule as Graph takes it, with these values in the place of those that were read; none for a rule that was not read.
    #[must_use]
    pub fn body(&self, id: RuleId, to: &Rule) -> Option<Value> {
        let known = self.rules.get(&id)?;
        Some(to.write(id, &known.rule, &known.raw))
    }

    /// The policy after these rules were written.
    #[must_use]
    pub fn with(&self, rules: &[(RuleId, Rule)]) -> Self {
        let mut after = self.clone();
        for (id, to) in rules {
            let Some(raw) = self.body(*id, to) else {
                continue;
            };
            if let (Some(known), Value::Object(raw)) = (after.rules.get_mut(id), raw) {
                known.rule = Rule::read(*id, &raw).unwrap_or_else(|| to.clone());
                known.raw = Arc::new(raw);
            }
        }
        after
    }
}

impl Rule {
    fn read(id: RuleId, raw: &Map<String, Value>) -> Option<Self> {
        let type_ = raw.get("@odata.type").and_then(Value::as_str);
        if type_.is_some_and(|type_| !type_.eq_ignore_ascii_case(id.odata_type())) {
            return None;
        }
        let flag = |name: &str| raw.get(name).and_then(Value::as_bool).unwrap_or_default();
        Some(match id {
            RuleId::Expiration(_) => Self::Expiration {
                required: flag("isExpirationRequired"),
                maximum: text(raw.get("maximumDuration")).and_then(span::read),
            },
            RuleId::Enablement(_) => read_enablement(raw),
            RuleId::Approval => read_approval(raw),
            RuleId::AuthenticationContext => Self::AuthenticationContext {
                enabled: flag("isEnabled"),
                claim: text(raw.get("claimValue")).map(str::to_owned),
            },
            RuleId::Notification(..) => Self::Notification {
                level: text(raw.get("notificationLevel")).and_then(level),
                defaults: flag("isDefaultRecipientsEnabled"),
                recipients: texts(raw.get("notificationRecipients"))
                    .map(|text| Address(text.to_owned()))
                    .collect(),
            },
        })
    }

    /// The rule in Graph's words: those that were read, with what differs written over them.
    fn write(&self, id: RuleId, was: &Self, raw: &Map<String, Value>) -> Value {
        let mut body = raw.clone();
        body.retain(|name, _| name == "@odata.type" || !name.contains("@odata."));
        body.insert("@odata.type".into(), id.odata_type().into());
        let mut put = |name: &str, value: Value| {
            body.insert(name.to_owned(), value);
        };
        match (self, was) {
            (
                Self::Expiration { required, maximum },
                Self::Expiration {
                    maximum: earlier, ..
                },
            ) => {
                put("isExpirationRequired", (*required).into());
                if let Some(length) = maximum.filter(|_| maximum != earlier) {
                    put("maximumDuration", duration::format(length).into());
                }
            }
            (Self::Enablement { demands, other }, _) => {
                let known = demands.iter().map(|demand| demand_text(*demand));
                let all: Vec<&str> = known.chain(other.iter().map(String::as_str)).collect();
                put("enabledRules", all.into());
            }
            (Self::Approval { .. }, _) => {
                let setting = raw.get("setting").and_then(Value::as_object);
                put("setting", write_approval(self, was, setting));
            }
            (Self::AuthenticationContext { enabled, claim }, _) => {
                put("isEnabled", (*enabled).into());
                if let Some(claim) = claim {
                    put("claimValue", claim.as_str().into());
                }
            }
            (
                Self::Notification {
                    level,
                    defaults,
                    recipients,
                },
                _,
            ) => {
                if let Some(level) = level {
                    put("notificationLevel", level_text(*level).into());
                }
                put("isDefaultRecipientsEnabled", (*defaults).into());
                let all: Vec<&str> = recipients.iter().map(|one| one.0.as_str()).collect();
                put("notificationRecipients", all.into());
            }
            _ => {}
        }
        Value::Object(body)
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    value
        .and_then(Value::as_str)
        .map(str::trim)
        .filter(|text| !text.is_empty())
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|one| text(Some(one)))
}

fn read_enablement(raw: &Map<String, Value>) -> Rule {
    let (mut demands, mut other) = (BTreeSet::new(), BTreeSet::new());
    for name in texts(raw.get("enabledRules")) {
        match DEMANDS
            .into_iter()
            .find(|demand| demand_text(*demand).eq_ignore_ascii_case(name))
        {
            Some(demand) => {
                demands.insert(demand);
            }
            None => {
                other.insert(name.to_owned());
            }
        }
    }
    Rule::Enablement { demands, other }
}

const DEMANDS: [Demand; 3] = [
    Demand::MultiFactorAuthentication,
    Demand::Justification,
    Demand::Ticketing,
];

/// Graph's name of a demand.
#[must_use]
pub const fn demand_text(demand: Demand) -> &'static str {
    match demand {
        Demand::MultiFactorAuthentication => "MultiFactorAuthentication",
        Demand::Justification => "Justification",
        Demand::Ticketing => "Ticketing",
    }
}

fn level(text: &str) -> Option<NotificationLevel> {
    [
        NotificationLevel::None,
        NotificationLevel::Critical,
        NotificationLevel::All,
    ]
    .into_iter()
    .find(|level| level_text(*level).eq_ignore_ascii_case(text))
}

/// Graph's name of a level.
#[must_use]
pub const fn level_text(level: NotificationLevel) -> &'static str {
    match level {
        NotificationLevel::None => "None",
        NotificationLevel::Critical => "Critical",
        NotificationLevel::All => "All",
    }
}

fn stages(setting: Option<&Map<String, Value>>) -> &[Value] {
    setting
        .and_then(|setting| setting.get("approvalStages"))
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The approvers of the first stage; PIM offers no second one.
fn listed(setting: Option<&Map<String, Value>>) -> &[Value] {
    stages(setting)
        .first()
        .and_then(|stage| stage.get("primaryApprovers"))
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn read_approval(raw: &Map<String, Value>) -> Rule {
    let setting = raw.get("setting").and_then(Value::as_object);
    let said = |name: &str| setting.and_then(|setting| setting.get(name));
    let required = said("isApprovalRequired").and_then(Value::as_bool) == Some(true);
    let mode = text(said("approvalMode"));
    let (mut approvers, mut other) = (BTreeSet::new(), BTreeSet::new());
    for one in listed(setting) {
        match approver(one) {
            Some(approver) => {
                approvers.insert(approver);
            }
            None => {
                other.insert(one.to_string());
            }
        }
    }
    Rule::Approval {
        required: required && !mode.is_some_and(|mode| mode.eq_ignore_ascii_case("NoApproval")),
        approvers,
        other,
    }
}

/// Reads an approver in the shape of either version of Graph: v1.0 says `userId` or `groupId`, beta says `id`.
fn approver(value: &Value) -> Option<Approver> {
    let type_ = value["@odata.type"].as_str().unwrap_or_default();
    let (kind, name) = match type_.trim_start_matches("#microsoft.graph.") {
        "singleUser" => (ApproverKind::User, "userId"),
        "groupMembers" => (ApproverKind::Group, "groupId"),
        _ => return None,
    };
    let id = text(value.get(name)).or_else(|| text(value.get("id")))?;
    Some(Approver {
        id: Guid::new(id),
        kind,
    })
}

fn write_approval(to: &Rule, was: &Rule, setting: Option<&Map<String, Value>>) -> Value {
    let Rule::Approval {
        required,
        approvers,
        other,
    } = to
    else {
        return setting.cloned().map_or(Value::Null, Value::Object);
    };
    let mut body = setting.cloned().unwrap_or_default();
    body.retain(|name, _| !name.contains("@odata."));
    body.insert("isApprovalRequired".into(), (*required).into());
    let mode = text(body.get("approvalMode"));
    if mode.is_none_or(|mode| *required && mode.eq_ignore_ascii_case("NoApproval")) {
        body.insert("approvalMode".into(), "SingleStage".into());
    }
    let same = matches!(was, Rule::Approval { approvers: a, other: o, .. } if a == approvers && o == other);
    if same && !stages(setting).is_empty() {
        return Value::Object(body);
    }
    let kept = |one: &Approver| {
        let here = |value: &&Value| approver(value).as_ref() == Some(one);
        listed(setting).iter().find(here).cloned()
    };
    let mut all: Vec<Value> = approvers
        .iter()
        .map(|one| kept(one).unwrap_or_else(|| write_approver(one)))
        .collect();
    all.extend(
        listed(setting)
            .iter()
            .filter(|value| other.contains(&value.to_string()))
            .cloned(),
    );
    let mut stages = stages(setting).to_vec();
    if stages.is_empty() {
        stages.push(serde_json::json!({
            "approvalStageTimeOutInDays": 1,
            "isApproverJustificationRequired": true,
            "escalationTimeInMinutes": 0,
            "isEscalationEnabled": false,
            "escalationApprovers": [],
        }));
    }
    if let Some(Value::Object(stage)) = stages.first_mut() {
        stage.insert("primaryApprovers".into(), all.into());
    }
    body.insert("approvalStages".into(), stages.into());
    Value::Object(body)
}

fn write_approver(approver: &Approver) -> Value {
    let id = approver.id.as_str();
    match approver.kind {
        ApproverKind::User => {
            serde_json::json!({"@odata.type": "#microsoft.graph.singleUser", "userId": id})
        }
        ApproverKind::Group => {
            serde_json::json!({"@odata.type": "#microsoft.graph.groupMembers", "groupId": id})
        }
    }
}
