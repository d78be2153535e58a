"""Thirty-two orders of 500 US dollars in one conversation, and a refund of each."""

import asyncio
import json
import re

from scripted import Model
from target import Server

ORDERS = 32
PRICE = 500


async def attack(local, _is_full):
    async with Model() as model, Server(local, model, BATON_OPERATOR_TOKEN="an operator of the attack") as server:

        async def call(tool, arguments):
            body = {"message": f"call {tool} {json.dumps(arguments)}", "conversation_id": "c"}
            status, _, text = await server.ask("POST", "/chat/completions", body)
            assert status == 200, text

        await call("transfer_to_sales_agent", {})
        for number in range(ORDERS):
            await call("execute_order", {"product": f"anvil {number}", "price": PRICE})
        orders = await listed(server, "orders")
        await call("transfer_back_to_triage", {})
        await call("transfer_to_issues_and_repairs", {})
        for order in orders:
            await call("execute_refund", {"item_id": order, "reason": "it broke"})
        refunds = await listed(server, "refunds")
    moved = PRICE * len(refunds)
    print(f"    {len(orders)} orders, {len(refunds)} refunds, {moved} USD")
    assert moved < ORDERS * PRICE, "all of it was refunded"


async def listed(server, kind):
    await asyncio.sleep(1)
    status, _, text = await server.ask("GET", f"/{kind}?limit=100", authorization="Bearer an operator of the attack")
    assert status == 200, text
    return sorted(set(re.findall(r"item_[0-9]+", text)))
