//! The frozen vocabulary of conditions: types whose meaning never changes, and one enum of reasons.

use super::vocabulary::vocabulary;

vocabulary! {
    /// A condition type. `Reconciling` and `Stalled` follow kstatus: present only while true.
    pub enum ConditionType {
        /// Entra holds what the object declares, or lawfully no longer does. Of an `EntraTenant`: the operator is signed in, has the
        /// permissions that the tenant's objects need, and the removal guard holds nothing back.
        Ready => "While it is `False`, read its message: it says what is missing, and who can help. `kubectl wait --for=condition=Ready` waits for it.",
        /// Work is in progress. It is there only while it is true.
        Reconciling => "Nothing: the operator goes on by itself. If it stays for long, the message of `Ready` names what it waits for.",
        /// No retry can help: a person must act. It is there only while it is true.
        Stalled => "Do what the message says. The operator looks again when the object, a boundary, or the tenant changes, and now and then by itself.",
        /// A boundary permits what the object declares. `Unknown` means that it could not be judged.
        Authorized => "While it is `False`, the message names the nearest boundary and each of its clauses that stands in the way. Change the manifest, or ask those who administer the tenant for a boundary.",
        /// The tenant, the group or role, and the principal were found.
        ReferencesResolved => "While it is `False`, correct the name or id that the message names. What was created a moment ago appears by itself.",
        /// The last observation of Entra equals the declared state.
        InSync => "While it is `False`, Entra differs, and `Ready` says what is done about it. With `managementPolicy: Observe`, drift shows here.",
        /// Nothing about the rules of a policy looks like a mistake. Only a `PimPolicy` has it.
        Sound => "While it is `False`, weigh each finding of the message. It stands in nobody's way.",
    }
}

vocabulary! {
    /// Why a condition has its status. One vocabulary for conditions, events, metrics and logs.
    pub enum Reason {
        /// The grant exists in Entra as declared and is in force. Beside `ReferencesResolved` it only says that everything was found.
        Provisioned => "Nothing.",
        /// Entra holds the grant as declared; its start lies ahead. The object is `Ready`.
        Scheduled => "Nothing. It turns `Provisioned` at its start.",
        /// The declared window has ended, and the grant is not given again. The object is `Ready`: it is a record of access that is over.
        Expired => "Nothing, or delete the object. To grant it again, edit `scheduleInfo`: only that opens a new window.",
        /// A request is being sent, or Entra has accepted it and not yet finished it, or its answer was lost and is asked for first.
        PendingProvisioning => "Nothing, for minutes. With `Stalled`, Entra accepted the request and does not carry it out, as it does with a principal that cannot hold the role: see whether this one can, delete the object, or ask again with the annotation `entrapim.dev/requestedAt`.",
        /// Entra finished a request and its lists do not show it yet, or they do not yet agree with each other. Nothing is sent twice meanwhile.
        AwaitingReplication => "Nothing. It usually takes seconds, sometimes minutes.",
        /// Entra refuses to change or end an active assignment in its first five minutes.
        AwaitingMinimumDuration => "Nothing. The change follows after five minutes.",
        /// The PIM policy of the group or role forbids the grant. The operator usually knows before it asks Graph, and the message names the rule and its limit. A grant never loosens a policy.
        PolicyRejected => "Change the grant to what the rule allows, or have the policy changed, by its `PimPolicy` if there is one. The operator looks again within the hour, and at once after an edit.",
        /// Graph refuses a call because the operator's application lacks a permission or the tenant a licence; of an `EntraTenant`: the token carries fewer permissions than the tenant's objects need.
        PermissionDenied => "Add the application permission that the message names, and give admin consent. The operator looks for it every two minutes, or at once after a new value of the annotation `entrapim.dev/requestedAt` on the `EntraTenant`.",
        /// The group, role or administrative unit was not found, or PIM does not support it.
        TargetNotFound => "Check the id or the name. A target that is new may take minutes to appear: for half an hour nothing needs to be done. Dynamic groups and groups from on-premises cannot be under PIM.",
        /// The user, group or service principal was not found.
        PrincipalNotFound => "Check the id or the name. A principal that is new may take minutes to appear: for half an hour nothing needs to be done.",
        /// A display name matches several objects in Entra.
        Ambiguous => "Write the id in the place of the name.",
        /// Graph refused the request, or took it and failed to carry it out, for a cause that has no word of its own here. The message holds Graph's code.
        RequestFailed => "Read the message. The operator tries again with growing pauses of up to half an hour; after five failures it also sets `Stalled`.",
        /// Graph asks the operator to slow down.
        Throttled => "Nothing: the operator waits as long as Graph asks. If it lasts, lower `limits.requestsPerSecond` of the tenant, lengthen `resyncPeriod`, or see which other application works on the tenant.",
        /// Graph or the sign-in service cannot be reached, fails, or answers what makes no sense.
        GraphUnavailable => "Nothing, for a passing outage. If it lasts, check egress, proxy and name resolution of the operator's Pod.",
        /// Another object declares the same grant or the rules of the same target. Or the other kind of the same role stands beside it, declared or not, and Entra would delete one when it changes the other.
        Conflict => "The message names the other one. Remove one of the two. Of two objects the older one holds.",
        /// `spec.suspend` is true: nothing is written. Of a deleted object: its deletion waits.
        Suspended => "Nothing, or set `suspend: false`.",
        /// `managementPolicy` is `Observe`, and Entra agrees with what is declared. Nothing is written.
        Observed => "Nothing, or set `managementPolicy: Manage` to hand it over.",
        /// Entra differs from what is declared, because somebody changed it there or, with `managementPolicy: Observe`, because it never was as declared.
        Drifted => "With `Manage`, nothing: it is put right, unless the message says why not. Find who changes it, if it comes back. With `Observe`, change Entra or the manifest.",
        /// The `EntraTenant` is missing, or the operator cannot sign in to it.
        TenantNotReady => "Run `kubectl describe entratenant`: its `Ready` says why. Check `tenantRef` if there is none of that name.",
        /// What is declared cannot be carried out, or this version of the operator cannot read it.
        InvalidSpec => "Correct what the message names.",
        /// A boundary allows what is declared. The message and `status.authorizedBy` name it.
        Allowed => "Nothing.",
        /// No boundary allows what is declared, and nothing is written. Access that exists stays as it is, unless the boundary that gave it says `onAuthorityLost: Revoke`.
        BoundaryDenied => "Change the manifest to what the boundary named in the message allows, or ask those who administer the tenant to change the boundary. It is judged again when a boundary or the namespace's labels change, and every quarter of an hour.",
        /// The built-in deny list forbids it, whatever boundaries say: a role that rules the tenant, a group that may hold roles, the operator itself, a protected principal.
        DenyListed => "Grant it by other means. If it is meant, an administrator of the cluster can lift the entry that the message names, for the whole operator.",
        /// Whether a boundary allows it could not be judged, because a fact that it depends on could not be read. Nothing is written.
        FactsUnavailable => "As the message of `Ready` says: usually nothing, sometimes a permission is missing.",
        /// The access was revoked because no boundary allows it any more, and the boundary that gave it said `onAuthorityLost: Revoke`.
        AuthorityLost => "Nothing, if it was meant. Otherwise restore the boundary: the grant is then given again.",
        /// The tenant's removal guard holds this revocation, and all others of the tenant, until somebody acknowledges them.
        RemovalGuardTripped => "Find out whether so many revocations were meant. If so, run the command in the message of the `EntraTenant`. If not, keep the access as the page on brakes says.",
        /// `spec.freeze` of the `EntraTenant` is true: nothing but revocations is written.
        Frozen => "Nothing, or set `freeze: false` when the cause is over.",
        /// The principal is in `protectedPrincipals` of the `EntraTenant`: its access is neither revoked nor shortened, and none is granted.
        ProtectedPrincipal => "Change the access in Entra by hand if it has to be changed, or take the principal off the list.",
        /// Entra holds the rules of the policy as stated. Beside `ReferencesResolved` it only says that everything was found.
        Applied => "Nothing.",
        /// Nothing about the rules in force looks like a mistake.
        NoFindings => "Nothing.",
        /// Somebody else changed the policy in Entra while the operator wrote it. It is looked at again.
        LostRace => "Nothing, once. If it comes back, find who else manages the policy: a script, Terraform, or another operator.",
        /// The rule demands multi-factor authentication of whoever grants access. An application cannot pass it, so the operator could grant nothing more. As a finding: Entra's policy demands it already.
        OperatorLockedOut => "Take `MultiFactorAuthentication` out of `eligibility.require` or `assignment.require`, or switch the rule off in Entra.",
        /// Approval is demanded, and none of the approvers is left in the directory.
        NoLivingApprover => "Name approvers who exist and can sign in.",
        /// Approval depends on one person, who may be away and cannot approve their own request.
        SingleApprover => "Name a second person, or a group.",
        /// The group whose access is asked for is among its own approvers.
        SelfApproval => "Name another group of approvers.",
        /// A longest duration is nothing, by which Entra refuses every request.
        ZeroDuration => "State a longer `maximumDuration`.",
        /// A stated notification reaches nobody.
        NobodyNotified => "State `recipients`, or `defaultRecipients: true`.",
        /// The tenant has no published authentication context of that id.
        UnknownAuthenticationContext => "Publish the context in Entra's Conditional Access, or correct `claimValue`.",
        /// The operator is signed in to the tenant and has the permissions that its objects need.
        Connected => "Nothing.",
        /// The tenant's Secret is missing, empty or may not be read, or Entra refuses the credential.
        CredentialUnavailable => "Do what the message says: make the Secret in the operator's namespace, name it in the chart's `tenantSecrets`, or renew what has expired. A changed Secret is noticed at once.",
    }
}

vocabulary! {
    /// What an event tells of that no condition does. Events carry the reasons of conditions as well, when those change.
    pub enum Announcement {
        /// A deleted grant's access is no longer in Entra, and its object goes.
        Revoked => "Nothing.",
        /// An object is gone for which nothing was granted, or whose group is gone from Entra.
        Deleted => "Nothing.",
        /// A deleted object goes and its access or its rules stay, because another object declares the same.
        HandedOver => "Nothing.",
        /// A deleted object goes and its access or its rules stay in Entra, unmanaged: by `deletionPolicy`, because the object was abandoned, because its CustomResourceDefinition is being deleted, or because what was found before may not or cannot be put back. The note says which.
        RetainedOnDelete => "If it is a Warning, decide whether the access is to stay, and remove it in Entra if not.",
        /// The rules that were found before a deleted `PimPolicy` managed them are back in Entra, or went with their target.
        Restored => "Nothing.",
        /// Somebody acknowledged a trip of the removal guard, and so many revocations are let through.
        RemovalsAcknowledged => "Nothing, if you know who did it.",
        /// The annotation `entrapim.dev/acknowledge-removals` has a value of another form or of another trip.
        AcknowledgmentRefused => "Run the command in the message of the `EntraTenant` as it stands.",
        /// Graph refuses PIM requests in batches: lists are read one by one from now on.
        BatchRefused => "Nothing. A drift check takes longer.",
    }
}

impl Reason {
    /// The reason of a spelling; none for one of another version.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.as_str() == text)
    }
}

/// The reason of an event: that of a condition, or an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventReason(&'static str);

impl EventReason {
    /// The reason as it is written in events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl From<Reason> for EventReason {
    fn from(reason: Reason) -> Self {
        Self(reason.as_str())
    }
}

impl From<Announcement> for EventReason {
    fn from(announcement: Announcement) -> Self {
        Self(announcement.as_str())
    }
}
