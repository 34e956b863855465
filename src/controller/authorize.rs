//! The authority step of a pass: what a ruling means for the object, and the last look before a request leaves.

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt;

use crate::{
    api::{
        boundary::OnAuthorityLost,
        conditions::{ConditionType, Reason},
        status::AuthorizedBy,
    },
    pim::{
        boundary::{Denial, Permit, Span},
        desired::{Desired, Mode},
        plan::Change,
        window::Window,
    },
};

use super::{
    act::Order,
    audit::{self, Entry, is_news},
    authority::{Judged, Purpose, declared_span, span},
    context::unresolved_since,
    delete::{Revocation, heir, revoke},
    grant::{Grant, ObjectKey},
    pass::{Pass, Place, unresolved_pass},
    reconcile::{ReconcileError, Reconciler},
    report::{self, Held},
    resolve::Unresolved,
    status::{record, set_condition},
};

/// How often an object that is denied is judged anew without being asked: facts about principals change unannounced.
const JUDGED_AGAIN: TimeDelta = TimeDelta::minutes(15);

/// Whether a pass may go on.
pub(super) enum Authorized<K> {
    /// It may.
    Yes(Pass<K>),
    /// It ends here.
    No(Pass<K>),
}

impl<K: Grant> Reconciler<K> {
    /// Whether the object may have what it declares, and what is to happen if it may not.
    pub(super) async fn authorize(
        &self,
        mut pass: Pass<K>,
        desired: &Desired,
        place: &Place,
        now: DateTime<Utc>,
    ) -> Result<Authorized<K>, ReconcileError> {
        let context = &self.context;
        let generation = pass.grant.meta().generation.unwrap_or_default();
        let asked = declared_span(desired, &record(&pass.status, generation), now);
        let judged = context
            .authority
            .judge(context, &pass.grant, place, asked, Purpose::Standing)
            .await;
        match judged {
            Judged::Allowed(permit) => {
                pass.status.authorized_by = Some(AuthorizedBy {
                    name: permit.name.clone(),
                    uid: permit.uid,
                    generation: permit.generation,
                });
                let verdict = report::authorized(&permit.name);
                set_condition(
                    &mut pass.status.conditions,
                    ConditionType::Authorized,
                    Some(&verdict),
                    generation,
                    now,
                );
                Ok(Authorized::Yes(pass))
            }
            Judged::NoPrincipal => Ok(Authorized::No(no_principal(pass, place, now))),
            Judged::Unknown(error) => {
                let report = report::not_judged(&error);
                Ok(Authorized::No(
                    pass.fail(&error, generation, now)
                        .say(&report, generation, now),
                ))
            }
            Judged::Denied(denial) => self
                .deny(pass, desired.mode, place, &denial, now)
                .await
                .map(Authorized::No),
        }
    }

    /// Ends the pass of an object that is denied. It claims nothing any more, and what it has stays as it is or is revoked.
    async fn deny(
        &self,
        mut pass: Pass<K>,
        mode: Mode,
        place: &Place,
        denial: &Denial,
        now: DateTime<Utc>,
    ) -> Result<Pass<K>, ReconcileError> {
        let context = &self.context;
        self.give_up_claim(&pass.grant);
        self.note_denial(&pass, place, denial).await;
        let lost = pass.status.created_via.is_some();
        if !lost && pass.status.last_request.is_none() {
            // Nothing was asked for: a place that it took for a request that never left is free again.
            let namespace = pass.grant.namespace().unwrap_or_default();
            let uid = pass.grant.uid().unwrap_or_default();
            context.authority.release(context, &namespace, &uid);
        }
        let mut held = if lost { Held::Frozen } else { Held::Nothing };
        if lost
            && mode == Mode::Manage
            && context.authority.on_lost(&pass.status) == OnAuthorityLost::Revoke
        {
            if heir(self, &pass.grant, place).await?.is_some() {
                held = Held::Inherited;
            } else {
                let revocation = Revocation::AuthorityLost(denial);
                if let Some(pass) = revoke(self, pass.clone(), place, revocation, now).await? {
                    return Ok(pass);
                }
            }
        }
        if !lost {
            pass.status.authorized_by = None;
        }
        let generation = pass.grant.meta().generation.unwrap_or_default();
        pass.wake = Some(now + JUDGED_AGAIN);
        Ok(pass.say(&report::denied(denial, held), generation, now))
    }

    /// Judges the request that is about to be sent; none when it may be.
    pub(super) async fn authorize_write(
        &self,
        pass: &Pass<K>,
        place: &Place,
        order: &Order<'_>,
        now: DateTime<Utc>,
    ) -> Result<Option<Pass<K>>, ReconcileError> {
        let asked = match order.change {
            Change::Assign(window) | Change::Update(window) | Change::Extend(window) => {
                span(window)
            }
            Change::Remove | Change::Cancel { .. } => return Ok(None),
        };
        self.authorize_span(pass, place, asked, now).await
    }

    /// Judges the taking over of a grant that is there already; none when it may be taken over.
    pub(super) async fn authorize_adoption(
        &self,
        pass: &Pass<K>,
        place: &Place,
        window: &Window,
        now: DateTime<Utc>,
    ) -> Result<Option<Pass<K>>, ReconcileError> {
        self.authorize_span(pass, place, span(window), now).await
    }

    async fn authorize_span(
        &self,
        pass: &Pass<K>,
        place: &Place,
        asked: Span,
        now: DateTime<Utc>,
    ) -> Result<Option<Pass<K>>, ReconcileError> {
        let context = &self.context;
        let judged = context
            .authority
            .judge(context, &pass.grant, place, asked, Purpose::Write)
            .await;
        let generation = pass.grant.meta().generation.unwrap_or_default();
        match judged {
            Judged::Allowed(permit) => self.take(pass, &permit, now).await,
            Judged::Denied(denial) => {
                self.give_up_claim(&pass.grant);
                self.note_denial(pass, place, &denial).await;
                let lost = pass.status.created_via.is_some();
                let held = if lost { Held::Frozen } else { Held::Nothing };
                let mut pass = pass.clone();
                // What the facts of this minute deny to a grant that is there, the next pass judges as authority that is lost.
                let again = if lost {
                    TimeDelta::seconds(15)
                } else {
                    JUDGED_AGAIN
                };
                pass.wake = Some(now + again);
                Ok(Some(pass.say(
                    &report::denied(&denial, held),
                    generation,
                    now,
                )))
            }
            Judged::NoPrincipal => Ok(Some(no_principal(pass.clone(), place, now))),
            Judged::Unknown(error) => {
                let report = report::not_judged(&error);
                let pass = pass.clone().fail(&error, generation, now);
                Ok(Some(pass.say(&report, generation, now)))
            }
        }
    }

    /// Takes a place in the quota, and looks at the boundary itself once more.
    async fn take(
        &self,
        pass: &Pass<K>,
        permit: &Permit,
        now: DateTime<Utc>,
    ) -> Result<Option<Pass<K>>, ReconcileError> {
        let context = &self.context;
        let namespace = pass.grant.namespace().unwrap_or_default();
        let confirmed = context
            .authority
            .confirm(context, permit, &namespace)
            .await?;
        let report = if !confirmed {
            report::boundary_changed(&permit.name)
        } else if !context.authority.admit(&pass.grant, permit) {
            report::last_place_taken(&permit.name)
        } else {
            return Ok(None);
        };
        let generation = pass.grant.meta().generation.unwrap_or_default();
        let mut pass = pass.clone();
        pass.wake = Some(now + TimeDelta::seconds(1));
        Ok(Some(pass.say(&report, generation, now)))
    }

    fn give_up_claim(&self, grant: &K) {
        let key = ObjectKey::of(K::KIND, grant);
        for other in self.context.registry.release(&key) {
            self.context.wakeups.trigger(&other);
        }
    }

    /// Audits and counts a denial that the object's status does not tell of yet.
    async fn note_denial(&self, pass: &Pass<K>, place: &Place, denial: &Denial) {
        let verdict = report::denial(denial);
        let generation = pass.grant.meta().generation.unwrap_or_default();
        if !is_news(pass.grant.status(), &verdict, generation) {
            return;
        }
        self.context.metrics.denied(K::KIND, denial.clause());
        let origin = self.context.origins.of(&pass.grant).await;
        let entry = Entry::Denied(&verdict);
        audit::record(&place.tenant, &pass.grant, &place.resolved, &origin, &entry);
    }
}

/// The id resolved once, and the directory does not know it: not yet, or not any more.
fn no_principal<K: Grant>(pass: Pass<K>, place: &Place, now: DateTime<Utc>) -> Pass<K> {
    let generation = pass.grant.meta().generation.unwrap_or_default();
    let since = unresolved_since(&pass.grant);
    let unresolved = Unresolved::Wrong {
        reason: Reason::PrincipalNotFound,
        message: format!(
            "there is no user, group or service principal with the id {} in the tenant",
            place.resolved.principal_id
        ),
        may_appear: true,
    };
    unresolved_pass(pass, unresolved, since, generation, now)
}
