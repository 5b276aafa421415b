"""deploy/ram and deploy/terraform."""

import json

import hcl2

from checks import DEPLOY, check, command

# The actions of the API that the exporter calls; each is named in the RAM documentation of its product.
ACTIONS = {"ecs:DescribeInvocationResults", "ecs:DescribeInvocations", "ecs:DescribeRegions"}


@check
def policies():
    """the RAM policies are JSON of RAM's form, and grant no more than the exporter calls"""
    for name in ("policy.json", "assume-role-policy.json"):
        policy = json.loads((DEPLOY / "ram" / name).read_text())
        assert policy["Version"] == "1"
        for statement in policy["Statement"]:
            assert set(statement) == {"Effect", "Action", "Resource"} and statement["Effect"] == "Allow", name
    policy = json.loads((DEPLOY / "ram" / "policy.json").read_text())
    assert {action for statement in policy["Statement"] for action in statement["Action"]} == ACTIONS


@check
def terraform():
    """the Terraform module is formatted, parses, and uses the policy file"""
    command(
        "terraform",
        "fmt",
        "-check",
        "-diff",
        DEPLOY / "terraform",
        env={"PATH": "/usr/bin:/bin", "TF_CLI_CONFIG_FILE": "/dev/null"},
    )
    text = (DEPLOY / "terraform" / "main.tf").read_text()
    module = hcl2.loads(text)
    assert "ram/policy.json" in text
    return f"{len(module['resource'])} resources; terraform validate needs the provider, which is not fetched here"
