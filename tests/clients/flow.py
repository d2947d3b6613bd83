"""The main flow with the generated Python client. Fails on the first difference."""

import os
from decimal import Decimal

import httpx
from bappy_client import AuthenticatedClient
from bappy_client.api.links import create_link, get_link, top_up_link
from bappy_client.api.organization import get_balance
from bappy_client.api.plans import list_plans
from bappy_client.models import ChangePlans, CreatedLinkResponse, ErrorResponse, NewLink

grant = {"grant_type": "client_credentials", "client_id": "acme", "client_secret": "acme-secret"}
token = httpx.post(os.environ["TOKEN_URL"], data=grant).raise_for_status().json()["access_token"]
client = AuthenticatedClient(base_url=os.environ["SERVER"], token=token)


def balance() -> Decimal:
    return Decimal(get_balance.sync(client=client).data.balance)


before = balance()
plan = list_plans.sync(client=client, country="FR", per_page=1).data.data[0]
price = Decimal(plan.retail_price)
new = NewLink(plan_id=plan.id, name="From Python")
made = create_link.sync(client=client, body=new, idempotency_key="python-1")
assert isinstance(made, CreatedLinkResponse), made
link = made.data
assert Decimal(link.amount_charged) == price and link.lpa_profile.startswith("LPA:1$")
again = create_link.sync(client=client, body=new, idempotency_key="python-1")
assert again.data.id == link.id, "the key stands for one Link"
changed = top_up_link.sync(link.iccid, client=client, body=ChangePlans(add=[plan.id]))
assert changed.data.link_id == link.id and len(changed.data.added) == 1
shown = get_link.sync(str(link.id), client=client).data
assert [a.id for a in shown.activations][0] == changed.data.added[0].id
assert shown.activations[0].first_used_at is None and shown.created_at == link.created_at
assert balance() == before - 2 * price, (before, price, balance())
refused = create_link.sync(client=client, body=NewLink(plan_id=link.id))
assert isinstance(refused, ErrorResponse) and refused.error.code == "PLAN_NOT_FOUND", refused
print(f"{link.iccid}: two plans of {price}, balance {balance()}")
