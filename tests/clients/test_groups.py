"""PIM for groups: schedules, instances and requests, through the SDK's builders and models."""

from datetime import timedelta

from msgraph.generated.models.expiration_pattern_type import ExpirationPatternType
from msgraph.generated.models.group import Group
from msgraph.generated.models.privileged_access_group_assignment_schedule_request import (
    PrivilegedAccessGroupAssignmentScheduleRequest,
)
from msgraph.generated.models.privileged_access_group_eligibility_schedule_request import (
    PrivilegedAccessGroupEligibilityScheduleRequest,
)
from msgraph.generated.models.privileged_access_group_member_type import PrivilegedAccessGroupMemberType
from msgraph.generated.models.privileged_access_group_relationships import PrivilegedAccessGroupRelationships
from msgraph.generated.models.schedule_request_actions import ScheduleRequestActions
from msgraph.generated.models.user import User
from msgraph_core import PageIterator

from bed import ALICE, BOB, CAROL, GRACE, PAYMENTS_OPS, PLATFORM_ADMINS, ClientTest, lasting, permanent

OF_PAYMENTS_OPS = f"groupId eq '{PAYMENTS_OPS}'"
READ_ONLY = "PrivilegedEligibilitySchedule.Read.AzureADGroup"


def eligibility(**other: object) -> PrivilegedAccessGroupEligibilityScheduleRequest:
    """A request for Alice to become an eligible member of payments-ops for 30 days, but for what is said."""
    said = {
        "action": ScheduleRequestActions.AdminAssign,
        "access_id": PrivilegedAccessGroupRelationships.Member,
        "group_id": PAYMENTS_OPS,
        "principal_id": ALICE,
        "justification": "On call for payments",
        "schedule_info": lasting("P30D"),
    }
    return PrivilegedAccessGroupEligibilityScheduleRequest(**(said | other))


class Groups(ClientTest):
    def setUp(self):
        super().setUp()
        self.pim = self.graph.identity_governance.privileged_access.group

    def given(self, principal: str, kind: str = "eligibility") -> None:
        """Something that an administrator gave in the portal, for 20 days."""
        self.simulator.deed(
            do="assign", kind=kind, group=PAYMENTS_OPS, principal=principal, window={"duration": "P20D"}
        )

    async def eligible(self) -> set[str]:
        """Who is eligible for payments-ops."""
        listed = await self.read(self.pim.eligibility_schedules, filter=OF_PAYMENTS_OPS)
        return {row.principal_id for row in listed.value}

    async def test_an_eligibility_is_listed_with_its_window(self):
        self.given(ALICE)
        listed = await self.read(self.pim.eligibility_schedules, filter=OF_PAYMENTS_OPS)
        [row] = listed.value
        self.assertEqual((row.group_id, row.principal_id, row.status), (PAYMENTS_OPS, ALICE, "Provisioned"))
        self.assertEqual(row.access_id, PrivilegedAccessGroupRelationships.Member)
        self.assertEqual(row.member_type, PrivilegedAccessGroupMemberType.Direct)
        window = row.schedule_info
        self.assertEqual(window.expiration.type, ExpirationPatternType.AfterDateTime)
        lasts = window.expiration.end_date_time - window.start_date_time
        self.assertAlmostEqual(lasts / timedelta(days=20), 1, places=3)

    async def test_an_instance_says_what_is_in_force(self):
        self.given(ALICE)
        listed = await self.read(self.pim.eligibility_schedule_instances, filter=OF_PAYMENTS_OPS)
        [row] = listed.value
        self.assertEqual((row.group_id, row.principal_id), (PAYMENTS_OPS, ALICE))
        [schedule] = (await self.read(self.pim.eligibility_schedules, filter=OF_PAYMENTS_OPS)).value
        self.assertEqual(row.eligibility_schedule_id, schedule.id)
        self.assertEqual(row.end_date_time, schedule.schedule_info.expiration.end_date_time)

    async def test_principal_and_group_come_as_models_when_they_are_expanded(self):
        self.given(ALICE)
        listed = await self.read(
            self.pim.eligibility_schedules, filter=OF_PAYMENTS_OPS, expand=["principal", "group"]
        )
        [row] = listed.value
        self.assertIsInstance(row.principal, User)
        self.assertEqual(row.principal.user_principal_name, "alice@contoso.com")
        self.assertIsInstance(row.group, Group)
        self.assertEqual(row.group.display_name, "payments-ops")

    async def test_the_pages_of_a_list_are_followed_to_the_end(self):
        self.simulator.deed(do="setBehaviour", behaviour={"pimPageSize": 2})
        people = {ALICE, BOB, CAROL, GRACE}
        for person in [*people]:
            self.given(person)
        first = await self.read(self.pim.eligibility_schedules, filter=OF_PAYMENTS_OPS)
        self.assertEqual(len(first.value), 2)
        seen = []
        pages = PageIterator(first, self.graph.request_adapter)
        await pages.iterate(lambda row: seen.append(row.principal_id) or True)
        self.assertCountEqual(seen, people)

    async def test_a_request_is_provisioned_listed_and_read_back(self):
        made = self.known(await self.pim.eligibility_schedule_requests.post(eligibility()))
        self.assertEqual((made.status, made.action), ("Provisioned", ScheduleRequestActions.AdminAssign))
        self.assertEqual(made.schedule_info.expiration.duration, timedelta(days=30))
        [row] = (await self.read(self.pim.eligibility_schedules, filter=OF_PAYMENTS_OPS)).value
        self.assertEqual((row.principal_id, row.created_using), (ALICE, made.id))
        self.assertEqual(row.id, made.target_schedule_id)
        requests = self.pim.eligibility_schedule_requests
        again = await self.read(requests.by_privileged_access_group_eligibility_schedule_request_id(made.id))
        self.assertEqual((again.id, again.justification), (made.id, "On call for payments"))

    async def test_a_removed_eligibility_is_listed_no_more(self):
        self.given(ALICE)
        self.given(BOB)
        removal = eligibility(action=ScheduleRequestActions.AdminRemove, schedule_info=None)
        made = self.known(await self.pim.eligibility_schedule_requests.post(removal))
        self.assertEqual(made.status, "Revoked")
        self.assertEqual(await self.eligible(), {BOB})

    async def test_an_active_owner_is_requested_and_listed(self):
        request = PrivilegedAccessGroupAssignmentScheduleRequest(
            action=ScheduleRequestActions.AdminAssign,
            access_id=PrivilegedAccessGroupRelationships.Owner,
            group_id=PAYMENTS_OPS,
            principal_id=BOB,
            justification="Owns the payments platform",
            schedule_info=lasting("P10D"),
        )
        made = self.known(await self.pim.assignment_schedule_requests.post(request))
        self.assertEqual(made.status, "Provisioned")
        of_bob = f"groupId eq '{PAYMENTS_OPS}' and principalId eq '{BOB}'"
        [schedule] = (await self.read(self.pim.assignment_schedules, filter=of_bob)).value
        [instance] = (await self.read(self.pim.assignment_schedule_instances, filter=of_bob)).value
        for row in (schedule, instance):
            self.assertEqual(row.access_id, PrivilegedAccessGroupRelationships.Owner)
            self.assertEqual(row.assignment_type.value, "assigned")

    async def test_a_rule_of_the_policy_refuses_a_request_and_is_named(self):
        for request, rule in [
            (eligibility(schedule_info=permanent()), "ExpirationRule"),
            (eligibility(group_id=PLATFORM_ADMINS), "TicketingRule"),
        ]:
            call = self.pim.eligibility_schedule_requests.post(request)
            message = await self.refused(call, 400, "RoleAssignmentRequestPolicyValidationFailed")
            self.assertIn(rule, message)
        self.assertEqual(await self.eligible(), set())

    async def test_a_caller_without_the_permission_may_read_but_not_write(self):
        self.permit(READ_ONLY)
        message = await self.refused(
            self.pim.eligibility_schedule_requests.post(eligibility()), 403, "UnknownError"
        )
        self.assertIn("PermissionScopeNotGranted", message)
        self.assertEqual(await self.eligible(), set())

    async def test_a_list_without_a_filter_is_refused(self):
        message = await self.refused(self.pim.eligibility_schedules.get(), 400, "BadRequest")
        self.assertIn("groupId", message)

    async def test_a_throttled_read_is_tried_again_by_the_sdk(self):
        self.given(ALICE)
        self.simulator.fault(kind="throttle", retryAfterSeconds=1, path="eligibilitySchedules", times=1)
        self.assertEqual(await self.eligible(), {ALICE})

    async def test_users_and_groups_are_found_by_name(self):
        users = await self.read(self.graph.users, filter="userPrincipalName eq 'alice@contoso.com'")
        self.assertEqual([user.id for user in users.value], [ALICE])
        groups = await self.read(self.graph.groups, filter="displayName eq 'R&D''s auditors'")
        self.assertEqual([group.display_name for group in groups.value], ["R&D's auditors"])
