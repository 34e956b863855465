"""PIM for directory roles: definitions, schedules, instances and requests, through the SDK's builders and models."""

from datetime import timedelta

from msgraph.generated.models.administrative_unit import AdministrativeUnit
from msgraph.generated.models.expiration_pattern_type import ExpirationPatternType
from msgraph.generated.models.unified_role_assignment_schedule_request import UnifiedRoleAssignmentScheduleRequest
from msgraph.generated.models.unified_role_eligibility_schedule_request import UnifiedRoleEligibilityScheduleRequest
from msgraph.generated.models.unified_role_schedule_request_actions import UnifiedRoleScheduleRequestActions
from msgraph.generated.models.user import User
from msgraph_core import PageIterator

from bed import ALICE, BOB, GRACE, ClientTest, lasting, permanent

USER_ADMINISTRATOR = "fe930be7-5e62-47db-91af-98c3a49a38b1"
SALES_EMEA = "a0000000-0000-4000-8000-000000000001"
OF_ALICE = f"principalId eq '{ALICE}'"

ASKED = {
    "action": UnifiedRoleScheduleRequestActions.AdminAssign,
    "role_definition_id": USER_ADMINISTRATOR,
    "directory_scope_id": "/",
    "principal_id": ALICE,
    "justification": "Looks after accounts",
    "schedule_info": lasting("P30D"),
}


def eligibility(**other: object) -> UnifiedRoleEligibilityScheduleRequest:
    """A request for Alice to become an eligible User Administrator for 30 days, but for what is said."""
    return UnifiedRoleEligibilityScheduleRequest(**(ASKED | other))


def assignment(**other: object) -> UnifiedRoleAssignmentScheduleRequest:
    """The same, active instead of eligible."""
    return UnifiedRoleAssignmentScheduleRequest(**(ASKED | other))


class Roles(ClientTest):
    def setUp(self):
        super().setUp()
        self.roles = self.graph.role_management.directory

    def given(self, principal: str) -> None:
        """An eligible User Administrator that somebody made in the portal, for 20 days."""
        self.simulator.deed(
            do="assignRole",
            kind="eligibility",
            role="User Administrator",
            principal=principal,
            window={"duration": "P20D"},
        )

    async def eligible(self) -> set[str]:
        """Who is an eligible User Administrator."""
        of_role = f"roleDefinitionId eq '{USER_ADMINISTRATOR}'"
        listed = await self.read(self.roles.role_eligibility_schedules, filter=of_role)
        return {row.principal_id for row in listed.value}

    async def test_a_role_is_found_by_its_name_and_read_by_its_id(self):
        by_name = "displayName eq 'User Administrator'"
        [role] = (await self.read(self.roles.role_definitions, filter=by_name)).value
        self.assertEqual((role.id, role.template_id), (USER_ADMINISTRATOR, USER_ADMINISTRATOR))
        read = await self.read(self.roles.role_definitions.by_unified_role_definition_id(role.id))
        self.assertEqual(read.display_name, "User Administrator")
        self.assertTrue(read.is_built_in and read.is_enabled)

    async def test_custom_roles_are_listed_beside_the_built_in_ones(self):
        listed = (await self.read(self.roles.role_definitions)).value
        custom = [role.display_name for role in listed if not role.is_built_in]
        self.assertEqual(custom, ["Group Membership Auditor"])
        self.assertGreater(len(listed), 80)

    async def test_an_eligibility_is_listed_with_its_window(self):
        self.given(ALICE)
        [row] = (await self.read(self.roles.role_eligibility_schedules, filter=OF_ALICE)).value
        self.assertEqual((row.role_definition_id, row.directory_scope_id), (USER_ADMINISTRATOR, "/"))
        self.assertEqual((row.member_type, row.status), ("Direct", "Provisioned"))
        window = row.schedule_info
        self.assertEqual(window.expiration.type, ExpirationPatternType.AfterDateTime)
        lasts = window.expiration.end_date_time - window.start_date_time
        self.assertAlmostEqual(lasts / timedelta(days=20), 1, places=3)

    async def test_an_instance_names_the_schedule_that_it_comes_from(self):
        self.given(ALICE)
        [instance] = (await self.read(self.roles.role_eligibility_schedule_instances, filter=OF_ALICE)).value
        [schedule] = (await self.read(self.roles.role_eligibility_schedules, filter=OF_ALICE)).value
        self.assertEqual(instance.role_eligibility_schedule_id, schedule.id)
        self.assertEqual(instance.end_date_time, schedule.schedule_info.expiration.end_date_time)

    async def test_the_pages_of_a_list_are_followed_to_the_end(self):
        self.simulator.deed(do="setBehaviour", behaviour={"pimPageSize": 1})
        for person in (ALICE, BOB, GRACE):
            self.given(person)
        of_role = f"roleDefinitionId eq '{USER_ADMINISTRATOR}'"
        first = await self.read(self.roles.role_eligibility_schedules, filter=of_role)
        self.assertEqual(len(first.value), 1)
        seen = []
        pages = PageIterator(first, self.graph.request_adapter)
        await pages.iterate(lambda row: seen.append(row.principal_id) or True)
        self.assertCountEqual(seen, [ALICE, BOB, GRACE])

    async def test_a_request_is_provisioned_listed_and_read_back(self):
        requests = self.roles.role_eligibility_schedule_requests
        made = self.known(await requests.post(eligibility()))
        self.assertEqual((made.status, made.schedule_info.expiration.duration), ("Provisioned", timedelta(days=30)))
        [row] = (await self.read(self.roles.role_eligibility_schedules, filter=OF_ALICE)).value
        self.assertEqual((row.id, row.created_using), (made.target_schedule_id, made.id))
        again = await self.read(requests.by_unified_role_eligibility_schedule_request_id(made.id))
        self.assertEqual((again.id, again.justification), (made.id, "Looks after accounts"))

    async def test_a_grant_over_an_administrative_unit_shows_the_unit_as_its_scope(self):
        by_name = "displayName eq 'Sales EMEA'"
        [unit] = (await self.read(self.graph.directory.administrative_units, filter=by_name)).value
        self.assertEqual(unit.id, SALES_EMEA)
        scope = f"/administrativeUnits/{unit.id}"
        request = eligibility(directory_scope_id=scope, schedule_info=permanent())
        await self.roles.role_eligibility_schedule_requests.post(request)
        listed = await self.read(
            self.roles.role_eligibility_schedules,
            filter=OF_ALICE,
            expand=["principal", "roleDefinition", "directoryScope"],
        )
        [row] = listed.value
        self.assertEqual(row.directory_scope_id, scope)
        self.assertIsInstance(row.principal, User)
        self.assertEqual(row.role_definition.display_name, "User Administrator")
        self.assertIsInstance(row.directory_scope, AdministrativeUnit)
        self.assertEqual(row.directory_scope.display_name, "Sales EMEA")

    async def test_a_removed_eligibility_is_listed_no_more(self):
        self.given(ALICE)
        self.given(BOB)
        removal = eligibility(action=UnifiedRoleScheduleRequestActions.AdminRemove, schedule_info=None)
        made = self.known(await self.roles.role_eligibility_schedule_requests.post(removal))
        self.assertEqual(made.status, "Revoked")
        self.assertEqual(await self.eligible(), {BOB})

    async def test_an_active_assignment_is_requested_and_listed(self):
        made = self.known(await self.roles.role_assignment_schedule_requests.post(assignment()))
        self.assertEqual(made.status, "Provisioned")
        [schedule] = (await self.read(self.roles.role_assignment_schedules, filter=OF_ALICE)).value
        [instance] = (await self.read(self.roles.role_assignment_schedule_instances, filter=OF_ALICE)).value
        self.assertEqual(instance.role_assignment_schedule_id, schedule.id)
        for row in (schedule, instance):
            self.assertEqual((row.assignment_type, row.member_type), ("Assigned", "Direct"))

    async def test_assignments_made_outside_pim_are_listed_with_the_others(self):
        listed = await self.read(self.roles.role_assignment_schedule_instances)
        outside = [row for row in listed.value if row.start_date_time is None]
        self.assertTrue(outside)

    async def test_a_rule_of_the_policy_refuses_a_request_and_is_named(self):
        call = self.roles.role_assignment_schedule_requests.post(assignment(justification=None))
        message = await self.refused(call, 400, "RoleAssignmentRequestPolicyValidationFailed")
        self.assertIn("JustificationRule", message)

    async def test_a_caller_without_the_permission_may_read_but_not_write(self):
        self.permit("RoleEligibilitySchedule.Read.Directory")
        call = self.roles.role_eligibility_schedule_requests.post(eligibility())
        await self.refused(call, 403, "UnknownError")
        self.assertEqual(await self.eligible(), set())
