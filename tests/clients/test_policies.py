"""PIM policies of groups and roles: lists, reads and patches, through the SDK's builders and models."""

from datetime import timedelta

from msgraph.generated.models.approval_settings import ApprovalSettings
from msgraph.generated.models.group_members import GroupMembers
from msgraph.generated.models.single_user import SingleUser
from msgraph.generated.models.unified_approval_stage import UnifiedApprovalStage
from msgraph.generated.models.unified_role_management_policy import UnifiedRoleManagementPolicy
from msgraph.generated.models.unified_role_management_policy_approval_rule import (
    UnifiedRoleManagementPolicyApprovalRule,
)
from msgraph.generated.models.unified_role_management_policy_authentication_context_rule import (
    UnifiedRoleManagementPolicyAuthenticationContextRule,
)
from msgraph.generated.models.unified_role_management_policy_enablement_rule import (
    UnifiedRoleManagementPolicyEnablementRule,
)
from msgraph.generated.models.unified_role_management_policy_expiration_rule import (
    UnifiedRoleManagementPolicyExpirationRule,
)
from msgraph.generated.models.unified_role_management_policy_notification_rule import (
    UnifiedRoleManagementPolicyNotificationRule,
)

from bed import GRACE, PAYMENTS_OPS, ClientTest

OF_PAYMENTS_OPS = f"scopeId eq '{PAYMENTS_OPS}' and scopeType eq 'Group'"
PAYMENTS_APPROVERS = "68e55cce-0000-4000-8000-000000000002"
GLOBAL_READER = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
OF_GLOBAL_READER = (
    f"scopeId eq '/' and scopeType eq 'DirectoryRole' and roleDefinitionId eq '{GLOBAL_READER}'"
)


def longest(duration: str) -> UnifiedRoleManagementPolicyExpirationRule:
    """An activation lasts at most so long; text, for the reason given at `bed.lasting`."""
    return UnifiedRoleManagementPolicyExpirationRule(
        id="Expiration_EndUser_Assignment", is_expiration_required=True, maximum_duration=duration
    )


def approval(required: bool, *approvers: object) -> UnifiedRoleManagementPolicyApprovalRule:
    """Whether an activation needs an approval, and by whom."""
    stage = UnifiedApprovalStage(
        approval_stage_time_out_in_days=1,
        is_approver_justification_required=True,
        is_escalation_enabled=False,
        primary_approvers=[*approvers],
    )
    setting = ApprovalSettings(is_approval_required=required, approval_stages=[stage])
    return UnifiedRoleManagementPolicyApprovalRule(id="Approval_EndUser_Assignment", setting=setting)


class Policies(ClientTest):
    def setUp(self):
        super().setUp()
        self.assignments = self.graph.policies.role_management_policy_assignments

    async def policy(self, scope: str = f"{OF_PAYMENTS_OPS} and roleDefinitionId eq 'member'"):
        """The builder of the policy that is in force for members of payments-ops, or elsewhere."""
        [found] = (await self.read(self.assignments, filter=scope)).value
        policies = self.graph.policies.role_management_policies
        return policies.by_unified_role_management_policy_id(found.policy_id)

    async def rules(self, policy) -> dict:
        """The rules of a policy, by their ids."""
        read = await self.read(policy, expand=["rules"])
        return {rule.id: rule for rule in read.rules}

    async def patched(self, policy, rule):
        """The rule as it is read after a PATCH of it."""
        one = policy.rules.by_unified_role_management_policy_rule_id(rule.id)
        await one.patch(rule)
        return await self.read(one)

    async def test_the_policies_of_a_group_are_listed_with_all_their_rules(self):
        listed = await self.read(self.assignments, filter=OF_PAYMENTS_OPS, expand=["policy($expand=rules)"])
        self.assertEqual([one.role_definition_id for one in listed.value], ["member", "owner"])
        for one in listed.value:
            self.assertEqual(one.policy.id, one.policy_id)
            self.assertEqual((one.scope_id, one.scope_type), (PAYMENTS_OPS, "Group"))
            self.assertEqual(len(one.policy.rules), 17)
            for rule in one.policy.rules:
                # Expiration_EndUser_Assignment is an expiration rule, and so on.
                kind = rule.id.split("_")[0]
                self.assertEqual(type(rule).__name__, f"UnifiedRoleManagementPolicy{kind}Rule")

    async def test_a_policy_is_read_by_its_id(self):
        policy = await self.policy()
        read = await self.read(policy, expand=["rules"])
        self.assertEqual((read.scope_id, read.scope_type), (PAYMENTS_OPS, "Group"))
        rules = {rule.id: rule for rule in read.rules}
        self.assertEqual(rules["Expiration_EndUser_Assignment"].maximum_duration, timedelta(hours=8))
        self.assertEqual(rules["Enablement_EndUser_Assignment"].enabled_rules, ["Justification"])
        self.assertFalse(rules["Approval_EndUser_Assignment"].setting.is_approval_required)

    async def test_a_patched_rule_is_read_back(self):
        rule = await self.patched(await self.policy(), longest("PT4H"))
        self.assertEqual(rule.maximum_duration, timedelta(hours=4))
        self.assertTrue(rule.is_expiration_required)

    async def test_a_patched_policy_changes_the_rules_that_it_states_and_no_other(self):
        policy = await self.policy()
        before = await self.rules(policy)
        needs = UnifiedRoleManagementPolicyEnablementRule(
            id="Enablement_EndUser_Assignment", enabled_rules=["Justification", "Ticketing"]
        )
        self.known(await policy.patch(UnifiedRoleManagementPolicy(rules=[longest("PT2H"), needs])))
        after = await self.rules(policy)
        self.assertEqual(after["Expiration_EndUser_Assignment"].maximum_duration, timedelta(hours=2))
        self.assertEqual(
            after["Enablement_EndUser_Assignment"].enabled_rules, ["Justification", "Ticketing"]
        )
        changed = {name for name in before if repr(before[name]) != repr(after[name])}
        self.assertEqual(changed, {"Expiration_EndUser_Assignment", "Enablement_EndUser_Assignment"})

    async def test_approvers_keep_their_kinds(self):
        approvers = SingleUser(user_id=GRACE), GroupMembers(group_id=PAYMENTS_APPROVERS)
        rule = await self.patched(await self.policy(), approval(True, *approvers))
        self.assertTrue(rule.setting.is_approval_required)
        person, group = rule.setting.approval_stages[0].primary_approvers
        self.assertIsInstance(person, SingleUser)
        self.assertEqual(person.user_id, GRACE)
        self.assertIsInstance(group, GroupMembers)
        self.assertEqual(group.group_id, PAYMENTS_APPROVERS)

    async def test_an_authentication_context_is_switched_on_and_off(self):
        policy = await self.policy()
        for on, context in [(True, "c1"), (False, None)]:
            rule = UnifiedRoleManagementPolicyAuthenticationContextRule(
                id="AuthenticationContext_EndUser_Assignment", is_enabled=on, claim_value=context
            )
            rule = await self.patched(policy, rule)
            self.assertEqual(rule.is_enabled, on)
            if on:
                self.assertEqual(rule.claim_value, context)

    async def test_a_rule_that_was_read_can_be_changed_and_sent_back_whole(self):
        policy = await self.policy()
        name = "Notification_Admin_EndUser_Assignment"
        rule = await self.read(policy.rules.by_unified_role_management_policy_rule_id(name))
        self.assertIsInstance(rule, UnifiedRoleManagementPolicyNotificationRule)
        rule.notification_level = "Critical"
        rule.notification_recipients = ["security@contoso.com"]
        rule.is_default_recipients_enabled = False
        self.assertEqual(repr(await self.patched(policy, rule)), repr(rule))

    async def test_the_policy_of_a_role_is_found_read_and_patched(self):
        policy = await self.policy(OF_GLOBAL_READER)
        read = await self.read(policy)
        self.assertEqual((read.scope_id, read.scope_type), ("/", "DirectoryRole"))
        rule = await self.patched(policy, longest("PT1H"))
        self.assertEqual(rule.maximum_duration, timedelta(hours=1))

    async def test_an_approval_by_nobody_is_refused_and_the_policy_stays_as_it_was(self):
        policy = await self.policy()
        before = await self.rules(policy)
        change = UnifiedRoleManagementPolicy(rules=[longest("PT2H"), approval(True)])
        await self.refused(policy.patch(change), 400, "InvalidPolicy")
        self.assertEqual(repr(await self.rules(policy)), repr(before))

    async def test_a_caller_without_the_permission_may_read_but_not_patch(self):
        self.permit("RoleManagementPolicy.Read.AzureADGroup")
        policy = await self.policy()
        change = UnifiedRoleManagementPolicy(rules=[longest("PT2H")])
        await self.refused(policy.patch(change), 403, "Authorization_RequestDenied")

    async def test_a_list_that_names_no_scope_is_refused(self):
        message = await self.refused(self.assignments.get(), 400, "UnknownError")
        self.assertIn("MissingProvider", message)
