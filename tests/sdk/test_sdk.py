"""The official SDK, as it is, against the simulator's scenario `sdk`.

Usage: test_sdk.py PATH_OF_THE_SIMULATOR
"""

import base64
import sys

from alibabacloud_ecs20140526 import models
from alibabacloud_credentials.client import Client as Credential
from alibabacloud_credentials.models import Config as CredentialConfig
from alibabacloud_ecs20140526.client import Client
from alibabacloud_tea_openapi import exceptions
from alibabacloud_tea_openapi.models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

from harness import run

CREATED = "2026-01-02T03:04:05Z"
REGION = "cn-hangzhou"
ROWS = 120 + 1 + 5 + 1 + 1
INVOCATIONS = 2 + 4


def connect(simulator, key="sdk-key", secret="sdk-secret", token=None, **more):
    if "credential" not in more:
        more.update(access_key_id=key, access_key_secret=secret, security_token=token)
    config = Config(**more)
    config.endpoint = simulator.host
    config.protocol = "http"
    return Client(config)


def results(client, **parameters):
    request = models.DescribeInvocationResultsRequest(region_id=REGION)
    for name, value in parameters.items():
        assert hasattr(request, name), name
        setattr(request, name, value)
    return client.describe_invocation_results(request).body.invocation


def rows(client, **parameters):
    """Every row, by token."""
    found, token = [], None
    while True:
        page = results(client, max_results=50, next_token=token, **parameters)
        found += page.invocation_results.invocation_result
        token = page.next_token
        if not token:
            return found


def invocations(client, **parameters):
    request = models.DescribeInvocationsRequest(region_id=REGION)
    for name, value in parameters.items():
        assert hasattr(request, name), name
        setattr(request, name, value)
    return client.describe_invocations(request).body


def refused(call):
    try:
        call()
    except exceptions.AlibabaCloudException as error:
        return error
    raise AssertionError("was not refused")


def fields_set(found):
    """The names of the fields that at least one of these objects of the SDK has."""
    return {name for one in found for name, value in vars(one).items() if value is not None}


def fields_of(found):
    return set(vars(found[0]))


def test_pages_by_token_hold_each_row_once(simulator):
    found = rows(connect(simulator))
    assert len(found) == ROWS, len(found)
    assert len({(row.invoke_id, row.instance_id) for row in found}) == ROWS


def test_pages_by_number_hold_each_row_once(simulator):
    client = connect(simulator)
    found, number = [], 1
    while True:
        page = results(client, page_number=number, page_size=50)
        assert (page.page_number, page.page_size, page.total_count) == (number, 50, ROWS)
        if not page.invocation_results.invocation_result:
            break
        found += page.invocation_results.invocation_result
        number += 1
    assert len({(row.invoke_id, row.instance_id) for row in found}) == len(found) == ROWS
    assert len(results(client).invocation_results.invocation_result) == 10


def test_a_temporary_key_pages_too(simulator):
    client = connect(simulator, "STS.sdk-key", token="CAISdk/+==")
    assert len(rows(client)) == ROWS


def test_the_older_signature_pages_too(simulator):
    for key in (dict(), dict(key="STS.sdk-key", token="CAISdk/+==")):
        client = connect(simulator, **key, signature_algorithm="v2")
        assert len(rows(client)) == ROWS
        error = refused(lambda: results(connect(simulator, secret="wrong", signature_algorithm="v2")))
        assert error.code == "SignatureDoesNotMatch"


def test_a_role_is_assumed(simulator):
    params = Params(
        action="AssumeRole",
        version="2015-04-01",
        protocol="HTTPS",
        pathname="/",
        method="POST",
        auth_type="AK",
        style="RPC",
        req_body_type="formData",
        body_type="json",
    )
    form = dict(RoleArn="acs:ram::123456789012:role/exporter", RoleSessionName="sdk", DurationSeconds=900)
    answer = connect(simulator).call_api(params, OpenApiRequest(body=form), RuntimeOptions())
    given = answer["body"]["Credentials"]
    client = connect(simulator, given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"])
    assert len(rows(client)) == ROWS


def test_a_credentials_uri_gives_keys(simulator):
    uri = f"{simulator.url}/credentials/sdk"
    credential = Credential(CredentialConfig(type="credentials_uri", credentials_uri=uri))
    assert len(rows(connect(simulator, credential=credential))) == ROWS


def test_every_documented_field_of_a_row_arrives(simulator):
    found = rows(connect(simulator))
    assert fields_set(found) == fields_of(found), fields_of(found) - fields_set(found)


def test_the_full_row_is_exact(simulator):
    (row,) = rows(connect(simulator), instance_id="i-full")
    expected = {
        "InstanceId": "i-full",
        "InvocationStatus": "Failed",
        "InvokeRecordStatus": "Finished",
        "ErrorCode": "ExitCodeNonzero",
        "ErrorInfo": "the command execution exit code is not zero.",
        "ExitCode": 7,
        "StartTime": "2026-01-02T03:03:45Z",
        "FinishedTime": CREATED,
        "StopTime": "",
        "Repeats": 1,
        "Dropped": 4096,
        "Output": base64.b64encode(b"output of th").decode(),
        "Username": "operator",
        "ContainerId": "c0ffee",
        "ContainerName": "web",
        "Launcher": 'python3 -u {{ACS::ScriptFileName|Ext(".py")}}',
        "TerminationMode": "ProcessTree",
        "OssOutputDelivery": "oss://bucket/prefix",
        "OssOutputStatus": "Failed",
        "OssOutputUri": "",
        "OssOutputErrorCode": "OSS.AccessDenied",
        "OssOutputErrorInfo": "the output could not be delivered.",
        "Tags": {"Tag": [{"TagKey": "owner name", "TagValue": "张三~*(a)"}]},
    }
    shown = row.to_map()
    assert shown.pop("InvokeId").startswith("t-") and shown.pop("CommandId").startswith("c-")
    assert shown == expected, shown
    (plain,) = rows(connect(simulator), instance_id="i-full", content_encoding="PlainText")
    assert plain.output == "output of th"


def test_rows_lack_what_they_cannot_have(simulator):
    found = {row.instance_id: row for row in rows(connect(simulator))}
    status = lambda name: (found[name].invocation_status, found[name].error_code, found[name].exit_code)
    times = lambda name: (found[name].start_time, found[name].finished_time, found[name].stop_time)
    assert status("i-pending") == ("Pending", "", None)
    assert times("i-pending") == (None, "", "")
    assert status("i-running") == ("Running", "", None)
    assert times("i-running") == (CREATED, "", "")
    assert status("i-timeout") == ("Timeout", "ExecutionTimeout", None)
    assert times("i-timeout") == ("2026-01-02T03:03:05Z", CREATED, "")
    assert found["i-timeout"].dropped == 49259
    assert status("i-aborted") == ("Aborted", "ClientNotRunning", None)
    assert times("i-aborted") == (None, "", "")
    assert status("i-terminated") == ("Terminated", "", None)
    assert times("i-terminated") == ("2026-01-02T03:04:02Z", CREATED, CREATED)
    assert found["i-boot"].invoke_record_status == "Stopped"


def test_filters(simulator):
    client = connect(simulator)
    (full,) = rows(client, instance_id="i-full")
    tag = models.DescribeInvocationResultsRequestTag
    count = lambda **parameters: len(rows(client, **parameters))
    assert count(invoke_id=full.invoke_id) == 1
    assert count(command_id=full.command_id) == 1
    assert count(resource_group_id="rg-sdk") == 1
    assert count(tag=[tag(key="owner name", value="张三~*(a)")]) == 1
    assert count(tag=[tag(key="owner name"), tag(key="other")]) == 0
    assert count(invoke_record_status="Running") == 5 + 1
    assert count(invoke_record_status="Finished") == 120 + 1
    assert count(invoke_record_status="Stopped") == 1


def test_the_history_of_a_schedule(simulator):
    client = connect(simulator)
    (row,) = rows(client, instance_id="i-nightly")
    assert (row.repeats, row.invocation_status, row.invoke_record_status) == (3, "Running", "Running")
    runs = rows(client, invoke_id=row.invoke_id, include_history=True)
    shown = [(run.repeats, run.invocation_status, run.exit_code) for run in runs]
    assert shown == [(3, "Running", None), (2, "Failed", 2), (1, "Success", 0)], shown
    assert len(rows(client, invoke_id=row.invoke_id, include_history=False)) == 1
    error = refused(lambda: rows(client, include_history=True))
    assert error.code == "MissingParameter.InvokeId"


def test_invocations(simulator):
    client = connect(simulator)
    body = invocations(client, max_results=50)
    found = body.invocations.invocation
    assert len(found) == INVOCATIONS and body.next_token == "" and body.request_id
    assert fields_set(found) == fields_of(found), fields_of(found) - fields_set(found)
    body = invocations(client, page_number=2, page_size=4)
    assert (body.page_number, body.page_size, body.total_count) == (2, 4, INVOCATIONS)
    assert len(body.invocations.invocation) == 2
    first = invocations(client, max_results=4)
    rest = invocations(client, max_results=4, next_token=first.next_token)
    ids = [one.invoke_id for page in (first, rest) for one in page.invocations.invocation]
    assert ids == [one.invoke_id for one in found]


def test_the_instances_of_an_invocation(simulator):
    client = connect(simulator)
    instances = []
    for invocation in invocations(client, max_results=50).invocations.invocation:
        body = invocations(client, invoke_id=invocation.invoke_id, include_output=True)
        instances += body.invocations.invocation[0].invoke_instances.invoke_instance
    assert len(instances) == ROWS
    assert fields_set(instances) == fields_of(instances), fields_of(instances) - fields_set(instances)
    (failed,) = [one for one in instances if one.exit_code == 7]
    assert failed.finish_time == failed.update_time == failed.creation_time == CREATED
    assert failed.output == base64.b64encode(b"output of th").decode()


def test_filters_of_invocations(simulator):
    client = connect(simulator)
    count = lambda **parameters: len(invocations(client, max_results=50, **parameters).invocations.invocation)
    assert count(repeat_mode="Period") == 1
    assert count(repeat_mode="EveryReboot") == 1
    assert count(repeat_mode="Once") == 4
    assert count(timed=True) == 1
    assert count(timed=False) == 5
    assert count(command_name="mixed") == 1
    assert count(command_type="RunShellScript") == INVOCATIONS
    assert count(invoke_status="Success") == 2
    assert count(invoke_status="Pending") == 1
    assert count(instance_id="i-full") == 1
    assert count(resource_group_id="rg-sdk") == 1


def test_regions(simulator):
    body = connect(simulator).describe_regions(models.DescribeRegionsRequest()).body
    found = body.regions.region
    assert [region.region_id for region in found] == ["cn-beijing", "cn-hangzhou", "cn-shanghai"]
    assert found[1].region_endpoint == "ecs.cn-hangzhou.aliyuncs.com"
    assert fields_set(found) == fields_of(found)


def test_wrong_parameters_have_their_codes(simulator):
    client = connect(simulator)
    tag = models.DescribeInvocationResultsRequestTag
    cases = [
        (dict(region_id="cn-nowhere"), 404, "InvalidRegionId.NotFound"),
        (dict(region_id="me-east-1"), 400, "RegionId.ApiNotSupported"),
        (dict(region_id=None), 400, "MissingParameter.RegionId"),
        (dict(region_id="cn-shanghai"), 403, "Forbidden.RAM"),
        (dict(max_results=51), 400, "InvalidParameter.MaxResults"),
        (dict(page_number=0), 400, "InvalidParam.PageNumber"),
        (dict(page_size=51), 400, "InvalidParam.PageSize"),
        (dict(next_token="AAAAAdDWBF2"), 400, "InvalidParameter.NextToken"),
        (dict(tag=[tag(key="acs:x")]), 400, "InvalidTagKey.Malformed"),
        (dict(tag=[tag(key="k", value="http://x")]), 400, "InvalidTagValue.Malformed"),
        (dict(tag=[tag(value="v")]), 400, "MissingParameter.TagKey"),
        (dict(tag=[tag(key="k"), tag(key="k")]), 400, "Duplicate.TagKey"),
        (dict(tag=[tag(key=f"k{n}") for n in range(21)]), 400, "NumberExceed.Tags"),
    ]
    for parameters, status, code in cases:
        error = refused(lambda: results(client, **parameters))
        assert (error.status_code, error.code) == (status, code), (parameters, error)
        assert error.request_id, error


def test_wrong_keys_have_their_codes(simulator):
    cases = [
        (dict(key="unknown"), 404, "InvalidAccessKeyId.NotFound"),
        (dict(key="inactive"), 400, "InvalidAccessKeyId.Inactive"),
        (dict(secret="wrong"), 400, "SignatureDoesNotMatch"),
        (dict(key="STS.sdk-key"), 400, "MissingSecurityToken"),
        (dict(key="STS.sdk-key", token="nonsense"), 400, "InvalidSecurityToken.Malformed"),
        (dict(key="STS.sdk-key", token="CAIExpired/+=="), 400, "InvalidSecurityToken.MismatchWithAccessKey"),
        (dict(token="CAISdk/+=="), 400, "InvalidSecurityToken.MismatchWithAccessKey"),
        (dict(key="STS.expired", token="CAIExpired/+=="), 400, "InvalidSecurityToken.Expired"),
    ]
    for key, status, code in cases:
        error = refused(lambda: results(connect(simulator, **key)))
        assert (error.status_code, error.code) == (status, code), (key, error)


def test_every_documented_error_arrives(simulator):
    client = connect(simulator)
    errors = simulator.get("errors")
    assert len(errors) > 25
    for error in errors:
        simulator.post("fault", kind="Error", **error)
        arrived = refused(lambda: results(client))
        assert (arrived.status_code, arrived.code) == (error["status"], error["code"]), (error, arrived)
        assert error["message"] in arrived.message
        wanted = exceptions.ClientException if error["status"] < 500 else exceptions.ServerException
        assert isinstance(arrived, wanted), type(arrived)


def test_throttling_is_understood(simulator):
    simulator.post("fault", kind="ThrottleHeader")
    error = refused(lambda: results(connect(simulator)))
    assert isinstance(error, exceptions.ThrottlingException), type(error)
    assert error.retry_after == 50, error.retry_after


def test_nothing_else_was_asked(simulator):
    requests = simulator.get("requests")
    assert requests["without_answer"] == 0 and requests["in_flight"] == 0
    actions = set(requests["by_action_and_region"])
    asked = {"DescribeInvocationResults", "DescribeInvocations", "DescribeRegions", "AssumeRole", "CredentialsUri"}
    assert actions == asked, actions


if __name__ == "__main__":
    sys.exit(run(globals()))
