"""Sign-in: the credential of azure-identity, through the tenant's discovery document and its token endpoint."""

import time

from azure.core.exceptions import ClientAuthenticationError

from bed import ClientTest


class SignIn(ClientTest):
    async def test_a_secret_is_exchanged_for_a_token_that_ends_within_a_day(self):
        token = self.credential().get_token(self.scope)
        self.assertEqual(token.token.count("."), 2)
        self.assertGreater(token.expires_on, time.time())
        self.assertLess(token.expires_on, time.time() + 24 * 3600)

    async def test_a_tenant_can_be_named_by_its_domain(self):
        token = self.credential(tenant="contoso.com").get_token(self.scope)
        self.assertTrue(token.token)

    async def test_a_wrong_secret_is_refused_with_the_number_of_the_sign_in_service(self):
        # The library logs a failed sign-in too.
        with self.assertLogs("azure.identity"), self.assertRaises(ClientAuthenticationError) as caught:
            self.credential(secret="another").get_token(self.scope)
        self.assertIn("AADSTS7000215", str(caught.exception))
