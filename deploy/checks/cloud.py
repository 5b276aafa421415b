"""deploy/ram and deploy/terraform."""

import json

import hcl2

from checks import DEPLOY, check, command

# The actions of the API that the exporter calls; each is named in the RAM documentation of its product.
ACTIONS = {"ecs:DescribeInvocationResults", "ecs:DescribeInvocations", "ecs:DescribeRegions"}

# Those of the queue: an older page of its documentation puts the batches under the single ones.
QUEUE_ACTIONS = {f"mns:{batch}{verb}Message" for batch in ("", "Batch") for verb in ("Receive", "Delete")}


@check
def policies():
    """the RAM policies are JSON of RAM's form, and grant no more than the exporter calls"""
    for name in ("policy.json", "assume-role-policy.json", "queue-policy.json"):
        policy = json.loads((DEPLOY / "ram" / name).read_text())
        assert policy["Version"] == "1"
        for statement in policy["Statement"]:
            assert set(statement) == {"Effect", "Action", "Resource"} and statement["Effect"] == "Allow", name
    policy = json.loads((DEPLOY / "ram" / "policy.json").read_text())
    assert {action for statement in policy["Statement"] for action in statement["Action"]} == ACTIONS
    [statement] = json.loads((DEPLOY / "ram" / "queue-policy.json").read_text())["Statement"]
    assert set(statement["Action"]) == QUEUE_ACTIONS and statement["Resource"].endswith("/messages"), statement


@check
def terraform():
    """the Terraform modules are formatted, parse, and use the policy files"""
    command(
        "terraform",
        "fmt",
        "-check",
        "-diff",
        "-recursive",
        DEPLOY / "terraform",
        env={"PATH": "/usr/bin:/bin", "TF_CLI_CONFIG_FILE": "/dev/null"},
    )
    resources = 0
    for folder, policy in (
        (DEPLOY / "terraform", "policy.json"),
        (DEPLOY / "terraform" / "events", "queue-policy.json"),
    ):
        text = (folder / "main.tf").read_text()
        resources += len(hcl2.loads(text)["resource"])
        assert f"ram/{policy}" in text
    return f"{resources} resources; terraform validate needs the provider, which is not fetched here"
