"""deploy/helm and deploy/kubernetes."""

import json
import os
import re
import shutil
import subprocess

import yaml
from helm_python import Chart, HelmError
from helm_python import chart as helm
from kubernetes_validate import ValidationError, validate

from checks import DEPLOY, ROOT, TOOLS, TSC, check, command, fail_if, npm_package, tool

CHART = DEPLOY / "helm" / "cloud-assistant-exporter"
PLAIN = DEPLOY / "kubernetes" / "cloud-assistant-exporter.yaml"
PLAIN_REPLICAS = DEPLOY / "kubernetes" / "cloud-assistant-exporter-replicas.yaml"
PLAIN_COPY = DEPLOY / "kubernetes" / "copy-to-postgres.yaml"
CI_VALUES = {path.name: yaml.safe_load(path.read_text()) for path in sorted((CHART / "ci").glob("*-values.yaml"))}
KUBERNETES = ["1.25.0", "1.37.0"]
# What the names of the environment of the state begin with.
STATE = "CLOUD_ASSISTANT_EXPORTER__STATE__"
# Labels that only make sense where Helm manages the objects.
HELM_LABELS = {"helm.sh/chart", "app.kubernetes.io/managed-by"}
# What no schema of values may let through.
WRONG_VALUES = {
    "an unknown key": {"persistance": {"enabled": False}},
    "an unknown key inside": {"serviceMonitor": {"enable": True}},
    "four replicas": {"replicaCount": 4, "state": {"postgres": {"existingSecret": "s"}}},
    "a lease that is too short": {"state": {"postgres": {"existingSecret": "s", "lease": "5s"}}},
    "a name that PostgreSQL would have to quote": {"state": {"postgres": {"existingSecret": "s", "name": "a-b"}}},
    "a URL among the values": {"state": {"postgres": {"url": "postgres://user:password@host/database"}}},
    "a wrong type": {"containerPort": "http"},
    "a bad ARN": {"rrsa": {"enabled": True, "roleArn": "my-role"}},
    "a part of the endpoint that is a value of its own": {"serviceMonitor": {"endpoint": {"interval": "1m"}}},
    "an account in two shards": {"shards": [{"name": n, "accounts": [{"name": "a"}]} for n in ("x", "y")]},
    "two shards of one name": {"shards": [{"name": "x", "accounts": [{"name": n}]} for n in ("a", "b")]},
    "a shard without accounts": {"shards": [{"name": "x", "accounts": []}]},
    "one claim for shards": {
        "shards": [{"name": "x", "accounts": [{"name": "a"}]}],
        "persistence": {"existingClaim": "mine"},
    },
    "events for any of the shards": {"shards": [{"name": "x", "accounts": [{"name": "a"}]}], "events": {"http": True}},
    "the same in the configuration": {
        "shards": [{"name": "x", "accounts": [{"name": "a"}]}],
        "config": {"events": {"http": True}},
    },
    "a policy that keeps events out": {"networkPolicy": {"enabled": True}, "events": {"http": True}},
    "RRSA without a provider": {"rrsa": {"enabled": True, "roleArn": "acs:ram::1:role/r"}},
}
# What the templates refuse, and what they say.
REFUSED = {
    "replicaCount is 2, and state.postgres.existingSecret is not set": {"replicaCount": 2},
    "config.state.postgres: set state.postgres of the values": {
        "config": {"state": {"postgres": {"url_file": "/etc/url"}}},
    },
    "config.state.path beside state.postgres.existingSecret": {
        "config": {"state": {"path": "data"}},
        "state": {"postgres": {"existingSecret": "s"}},
    },
    "persistence.existingClaim beside state.postgres.existingSecret": {
        "persistence": {"existingClaim": "mine"},
        "state": {"postgres": {"existingSecret": "s"}},
    },
}


def packed():
    """The chart as it is packaged, where the symbolic links of files/ have become files."""
    directory = TOOLS / "chart"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    # Helm tells of each link.
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        with Chart.load(str(CHART)) as chart:
            return chart.save_dir(str(directory))
    finally:
        os.dup2(stderr, 2)
        os.close(null)
        os.close(stderr)


PACKED = packed()


def rendered(values):
    with Chart.load(PACKED) as chart:
        manifests = chart.render(values, name="release", namespace="monitoring-tools")
    return [
        document
        for path, text in sorted(manifests.items())
        if path.endswith(".yaml")
        for document in yaml.safe_load_all(text)
        if document
    ]


@check
def lint():
    """helm lint finds nothing, with the chart's values and those of ci/"""
    for name, values in CI_VALUES.items():
        report = helm.lint(PACKED, values, strict=True, kube_version="v1.30.0")
        # An icon is recommended, and we have none.
        messages = [m for m in report["messages"] if "icon is recommended" not in m["error"]]
        assert not messages and not report["errors"], f"{name}: {messages} {report['errors']}"
    return f"{len(CI_VALUES)} files of values"


@check
def kubernetes_schemas():
    """what the chart renders, and the plain manifests, have the types of Kubernetes, oldest and newest"""
    documents = [(name, d) for name, values in CI_VALUES.items() for d in rendered(values)]
    for path in (PLAIN, PLAIN_REPLICAS, PLAIN_COPY):
        documents += [(path.name, d) for d in yaml.safe_load_all(path.read_text())]
    found, objects = [], 0
    for name, document in documents:
        if document["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        objects += 1
        for version in KUBERNETES:
            try:
                validate(document, version, strict=True)
            except ValidationError as error:
                found.append(f"{name}: {document['kind']} on {version}: {error.message}")
    fail_if(found)
    return f"{objects} objects, Kubernetes {' and '.join(KUBERNETES)}"


@check
def operator_schemas():
    """ServiceMonitor and PrometheusRule have the types of the operator's CRDs"""
    npm_package("@kubernetes-models/prometheus-operator")
    documents = [
        d
        for values in CI_VALUES.values()
        for d in rendered(values)
        if d["apiVersion"].startswith("monitoring.coreos.com/")
    ]
    program = """
        import * as kinds from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
        import { readFileSync } from "fs";
        for (const document of JSON.parse(readFileSync(0)))
            new kinds[document.kind](document).validate();
    """
    done = subprocess.run(
        [tool("node"), "--input-type=module", "--eval", program],
        input=json.dumps(documents),
        cwd=TOOLS,
        text=True,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    # The schemas let unknown keys pass; the types do not.
    lines = ['import type * as kinds from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";']
    lines += [f"export const d{i}: kinds.I{d['kind']} = {json.dumps(d)};" for i, d in enumerate(documents)]
    source = TOOLS / "operator.ts"
    source.write_text("\n".join(lines) + "\n")
    command("tsc", *TSC, source, cwd=TOOLS)
    return f"{len(documents)} objects"


@check
def wrong_values():
    """values.schema.json and the templates refuse what is wrong"""
    for what, values in WRONG_VALUES.items():
        try:
            rendered(values)
        except HelmError:
            continue
        raise AssertionError(f"accepted: {what}: {values}")
    for words, values in REFUSED.items():
        try:
            rendered(values)
        except HelmError as error:
            assert words in str(error), f"{values}: {error}"
            continue
        raise AssertionError(f"accepted: {values}")
    return f"{len(WRONG_VALUES) + len(REFUSED)} mistakes"


@check
def shards():
    """each shard has its own exporter, configuration and claim, and one Service finds them all"""
    values = CI_VALUES["shards-values.yaml"]
    documents = rendered(values)
    of = {kind: [d for d in documents if d["kind"] == kind] for kind in {d["kind"] for d in documents}}
    configs = {d["metadata"]["name"]: yaml.safe_load(d["data"]["config.yml"]) for d in of["ConfigMap"]}
    for shard in values["shards"]:
        name = f"release-cloud-assistant-exporter-{shard['name']}"
        assert configs[name] == {**values["config"], "accounts": shard["accounts"]}, configs
        deployment = next(d for d in of["Deployment"] if d["metadata"]["name"] == name)
        assert any(d["metadata"]["name"] == name for d in of["PersistentVolumeClaim"])
        pod = deployment["spec"]["template"]
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert volumes["state"]["persistentVolumeClaim"]["claimName"] == name
        assert volumes["config"]["configMap"]["name"] == name
        labels = pod["metadata"]["labels"].items()
        others = [d for d in of["Deployment"] if d["spec"]["selector"]["matchLabels"].items() <= labels]
        assert others == [deployment], "two exporters select the same pods"
        (service,) = of["Service"]
        assert service["spec"]["selector"].items() <= labels
    (monitor,) = of["ServiceMonitor"]
    relabelings = monitor["spec"]["endpoints"][0]["relabelings"]
    assert any("shard" in str(r.get("sourceLabels")) and r["targetLabel"] == "instance" for r in relabelings)
    assert len(configs) == len(of["Deployment"]) == len(of["PersistentVolumeClaim"]) == len(values["shards"])
    return f"{len(configs)} shards"


@check
def tls_and_users():
    """Prometheus and `helm test` are told of the TLS and the users that the web configuration has"""
    values = CI_VALUES["everything-values.yaml"]
    documents = rendered(values)
    (monitor,) = (d["spec"] for d in documents if d["kind"] == "ServiceMonitor")
    endpoint, wanted = monitor["endpoints"][0], values["serviceMonitor"]["endpoint"]
    assert wanted["scheme"] == "https" and {name: endpoint.get(name) for name in wanted} == wanted, endpoint
    (test,) = (d["spec"] for d in documents if d["kind"] == "Pod")
    (container,) = test["containers"]
    assert container["args"][0] == "--healthcheck" and container["args"][2:] == values["extraArgs"], container
    assert container["volumeMounts"] == values["extraVolumeMounts"] and test["volumes"] == values["extraVolumes"]
    address = container["args"][1]
    assert address == f"--web.listen-address=release-cloud-assistant-exporter:{values['service']['port']}", address
    # Values are merged: a probe without a request has to leave the chart's out.
    probe = {"httpGet": None, "tcpSocket": {"port": "http"}}
    (deployment,) = (d for d in rendered({"livenessProbe": probe}) if d["kind"] == "Deployment")
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert [name for name in ("httpGet", "tcpSocket") if name in container["livenessProbe"]] == ["tcpSocket"]


@check
def ports():
    """probes, the Service, the policy and the ServiceMonitor name a port that is there, whatever portName says"""
    own = {"portName": "metrics", "networkPolicy": {"enabled": True}, "serviceMonitor": {"enabled": True}}
    for name, values in {"portName alone": own, **CI_VALUES}.items():
        documents = rendered(values)
        of = {kind: [d["spec"] for d in documents if d["kind"] == kind] for kind in ("Deployment", "Service")}
        (service,) = (spec["ports"][0] for spec in of["Service"])
        wanted = {service["targetPort"]}
        for policy in (d["spec"] for d in documents if d["kind"] == "NetworkPolicy"):
            wanted |= {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
        for deployment in of["Deployment"]:
            (container,) = deployment["template"]["spec"]["containers"]
            probes = [container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")]
            assert wanted | set(probes) == {port["name"] for port in container["ports"]}, f"{name}: {wanted} {probes}"
        for monitor in (d["spec"] for d in documents if d["kind"] == "ServiceMonitor"):
            assert monitor["endpoints"][0]["port"] == service["name"] == values.get("portName", "http"), name
    return f"{len(CI_VALUES) + 1} files of values"


@check
def long_names():
    """each object has a name of its own, and one that Kubernetes takes, however long the release's is"""
    everything = {
        k: {"enabled": True} for k in ("networkPolicy", "serviceMonitor", "prometheusRule", "grafanaDashboards")
    }
    everything |= {"replicaCount": 2, "state": {"postgres": {"existingSecret": "s"}}}
    shards = {
        "shards": [{"name": n, "accounts": [{"name": n}]} for n in ("a-shard-of-20-letter", "a-shard-of-20-others")]
    }
    for length in (47, 53, 62, 63):
        for values in (everything, everything | shards):
            documents = rendered({**values, "fullnameOverride": "n" * length})
            names = [(d["kind"], d["metadata"]["name"]) for d in documents]
            assert len(set(names)) == len(names), f"{length}: {names}"
            # A Service's is part of a name in DNS.
            limits = [(name, 63 if kind in ("Service", "Pod") else 253) for kind, name in names]
            wrong = [n for n, most in limits if len(n) > most or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", n)]
            assert not wrong, f"{length}: {wrong}"


def network_policy_of(account, **values):
    config = {"accounts": [{"name": "a", **account}]}
    documents = rendered({"config": config, "networkPolicy": {"enabled": True, **values.pop("policy", {})}, **values})
    (policy,) = (d["spec"] for d in documents if d["kind"] == "NetworkPolicy")
    return policy


@check
def network_policy():
    """the network policy lets in who scrapes, who sends events and `helm test`, and out to queues over plain HTTP"""
    documents = rendered({"networkPolicy": {"enabled": True}})
    (test,) = (d["metadata"]["labels"] for d in documents if d["kind"] == "Pod")
    for kind, path in (("Service", "selector"), ("NetworkPolicy", "podSelector")):
        (spec,) = (d["spec"] for d in documents if d["kind"] == kind)
        selector = spec[path].get("matchLabels", spec[path])
        assert not selector.items() <= test.items(), f"{kind} takes the pod of helm test for an exporter"
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    testing = {"podSelector": {"matchLabels": test}}
    senders = {"ipBlock": {"cidr": "192.0.2.0/24"}}
    for events, policy, wanted in (
        (False, {}, [[monitoring, testing]]),
        (False, {"allowMonitoringNamespace": ""}, [None]),
        (True, {"allowEventsFrom": [senders]}, [[monitoring, testing], [senders]]),
        (True, {"allowMonitoringNamespace": ""}, [None]),
    ):
        rules = network_policy_of({}, policy=policy, events={"http": events})["ingress"]
        assert [rule.get("from") for rule in rules] == wanted, rules
        assert all(rule["ports"] == [{"port": "http"}] for rule in rules), rules
    plain = {"ports": [{"port": 80, "protocol": "TCP"}]}
    within = "http://1.mns.cn-beijing-internal.aliyuncs.com"
    queues = (
        ({}, False),
        ({"network": "vpc"}, False),
        ({"events": {"queue": "q"}}, False),
        ({"network": "vpc", "events": {"queue": "q"}}, True),
        ({"network": "vpc", "events": {"queue": "acs:mns:cn-beijing:1:queues/q"}}, True),
        ({"network": "vpc", "events": {"queue": "https://queues.example.org/queues/q"}}, False),
        ({"network": "vpc", "events": {"queue": "q", "endpoint": "https://queues.example.org"}}, False),
        ({"events": {"queue": f"{within}/queues/q"}}, True),
        ({"events": {"queue": "q", "endpoint": within}}, True),
    )
    for account, is_plain in queues:
        assert (plain in network_policy_of(account)["egress"]) == is_plain, account
    proxy = {"ports": [{"port": 3128}]}
    assert network_policy_of({}, policy={"additionalEgress": [proxy]})["egress"][-1] == proxy
    return f"{len(queues)} queues"


def groups_of(text):
    """The groups of several files of rules, one after another."""
    return [group for part in re.split(r"^groups:$", text, flags=re.M)[1:] for group in yaml.safe_load(part)]


@check
def replicas():
    """replicas have no volume, the database's Secret and a record of their own; on different nodes, one is always left"""
    count = 0
    for file in ("replicas-values.yaml", "replicas-shards-values.yaml"):
        values = CI_VALUES[file]
        postgres = {"urlKey": "url", "caKey": "", "name": "cloud_assistant_exporter"} | values["state"]["postgres"]
        documents = rendered(values)
        of = {kind: [d for d in documents if d["kind"] == kind] for kind in {d["kind"] for d in documents}}
        assert "PersistentVolumeClaim" not in of, file
        names = []
        for deployment in of["Deployment"]:
            count += 1
            spec, pod = deployment["spec"], deployment["spec"]["template"]
            assert spec["replicas"] == 2
            assert spec["strategy"] == {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1},
            }
            volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
            assert set(volumes) == {"config", "postgres"}, volumes
            secret = volumes["postgres"]["secret"]
            assert secret["secretName"] == postgres["existingSecret"]
            keys = [postgres["urlKey"], postgres["caKey"]] if postgres["caKey"] else [postgres["urlKey"]]
            assert [item["key"] for item in secret["items"]] == keys, secret
            container = pod["spec"]["containers"][0]
            environment = {e["name"].removeprefix(STATE): e.get("value") for e in container["env"]}
            mount = next(m for m in container["volumeMounts"] if m["name"] == "postgres")["mountPath"]
            assert environment["PATH"] == "" and environment["POSTGRES__URL_FILE"] == f"{mount}/url", environment
            assert environment.get("POSTGRES__CA_FILE") == (f"{mount}/ca.pem" if postgres["caKey"] else None)
            names.append(environment["POSTGRES__NAME"])
            shard = pod["metadata"]["labels"].get("cloud-assistant-exporter/shard", "").replace("-", "_")
            assert names[-1] == "_".join(filter(None, [postgres["name"], shard])), names
            # Both are of its own pods, and of no other's.
            own = spec["selector"]["matchLabels"]
            assert own.items() <= pod["metadata"]["labels"].items()
            apart = pod["spec"]["affinity"]["podAntiAffinity"]
            (node,) = apart["requiredDuringSchedulingIgnoredDuringExecution"]
            (zone,) = apart["preferredDuringSchedulingIgnoredDuringExecution"]
            assert node["labelSelector"] == zone["podAffinityTerm"]["labelSelector"] == {"matchLabels": own}
            assert node["topologyKey"] == "kubernetes.io/hostname"
            budget = next(
                d for d in of["PodDisruptionBudget"] if d["metadata"]["name"] == deployment["metadata"]["name"]
            )
            assert budget["spec"] == {"minAvailable": 1, "selector": {"matchLabels": own}}, budget
            assert ("nodeAffinity" in pod["spec"]["affinity"]) == ("affinity" in values), "the user's affinity is lost"
        assert len(set(names)) == len(names) == len(of["PodDisruptionBudget"]), names
        (policy,) = of["NetworkPolicy"]
        wanted = values["networkPolicy"]["postgres"]
        (rule,) = [
            rule
            for rule in policy["spec"]["egress"]
            if any(p["port"] == wanted.get("port", 5432) for p in rule["ports"])
        ]
        assert [to["ipBlock"]["cidr"] for to in rule.get("to", [])] == wanted.get("cidrs", []), rule
    # One of them alone makes room for nobody.
    (single,) = [d for d in rendered({"state": {"postgres": {"existingSecret": "s"}}}) if d["kind"] == "Deployment"]
    assert single["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert "affinity" not in single["spec"]["template"]["spec"]
    return f"{count} exporters"


@check
def targets_of_replicas():
    """a target is a replica, and its label exporter the exporter: with shards, the shard"""
    for file, exporters in (
        ("replicas-values.yaml", ["monitoring-tools/release-cloud-assistant-exporter"]),
        (
            "replicas-shards-values.yaml",
            [
                "monitoring-tools/release-cloud-assistant-exporter",
                "monitoring-tools/release-cloud-assistant-exporter-${1}",
            ],
        ),
    ):
        (monitor,) = [d for d in rendered(CI_VALUES[file]) if d["kind"] == "ServiceMonitor"]
        endpoint = monitor["spec"]["endpoints"][0]
        relabelings = {}
        for rule in endpoint["relabelings"]:
            relabelings.setdefault(rule.get("targetLabel"), []).append(rule)
        assert [rule["replacement"] for rule in relabelings["exporter"]] == exporters, relabelings
        (instance,) = relabelings["instance"]
        assert instance["sourceLabels"] == ["__meta_kubernetes_namespace", "__meta_kubernetes_pod_name"], instance
        own = CI_VALUES[file]["serviceMonitor"].get("metricRelabelings", [])
        assert endpoint["metricRelabelings"][2:] == own, endpoint


@check
def same_rules_and_dashboards():
    """the chart holds the rules and dashboards of deploy/, not copies"""
    documents = rendered(CI_VALUES["rrsa-values.yaml"])
    groups = next(d for d in documents if d["kind"] == "PrometheusRule")["spec"]["groups"]
    files = sorted((DEPLOY / "prometheus").glob("*.rules.yml"))
    base = CI_VALUES["rrsa-values.yaml"]["prometheusRule"]["runbookBaseUrl"]
    instance = "http://{{ $labels.instance }}"
    text = "".join(path.read_text() for path in files)
    ours = text.replace(f"{instance}/runbooks/", base).replace("runbook: deploy/runbooks/", f"runbook: {base}")
    ours = ours.replace(instance, "http://release-cloud-assistant-exporter.monitoring-tools:10069")
    wanted = groups_of(ours)
    assert groups[:-1] == wanted, "the rules differ"
    for values, address in (
        ("ephemeral-values.yaml", "http://release-ca.monitoring-tools:10069"),
        ("shards-values.yaml", "https://exporters.example.org/{{ $labels.instance }}"),
    ):
        plain = next(d for d in rendered(CI_VALUES[values]) if d["kind"] == "PrometheusRule")
        assert plain["spec"]["groups"] == groups_of(text.replace(instance, address)), f"{values}: the rules differ"

    served = {
        name: text
        for d in documents
        if d["kind"] == "ConfigMap" and "grafana_dashboard" in d["metadata"]["labels"]
        for name, text in d["data"].items()
    }
    assert {n: json.loads(t) for n, t in served.items()} == {
        p.name: json.loads(p.read_text()) for p in (DEPLOY / "grafana" / "dashboards").iterdir()
    }
    with Chart.load(PACKED) as chart:
        assert not [f["name"] for f in chart.files if "tests/" in f["name"]], (
            "the tests of the rules are packed into the chart"
        )
    return f"{len(wanted)} groups of rules, {len(served)} dashboards"


@check
def version():
    """the chart's appVersion is the program's version"""
    program = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert chart == program, f"{chart}, not {program}"


class BlockDumper(yaml.SafeDumper):
    """Writes text of several lines as such, and lists indented, as people do."""

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


BlockDumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


# Each file of deploy/kubernetes that is written from the chart: what it begins with, and its values.
PLAIN_FILES = {
    PLAIN: (
        "# For those without Helm: kubectl apply --filename cloud-assistant-exporter.yaml\n",
        {"networkPolicy": {"enabled": True}},
    ),
    PLAIN_REPLICAS: (
        "# Two replicas with their record in PostgreSQL (docs/high-availability.md), for those without Helm:\n"
        "#\n"
        "#     kubectl create namespace cloud-assistant\n"
        "#     kubectl --namespace cloud-assistant create secret generic cloud-assistant-exporter-postgres \\\n"
        "#       --from-literal=url='postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=require'\n"
        "#     kubectl apply --filename cloud-assistant-exporter-replicas.yaml\n"
        "#\n",
        {
            "networkPolicy": {"enabled": True},
            "replicaCount": 2,
            "state": {"postgres": {"existingSecret": "cloud-assistant-exporter-postgres"}},
        },
    ),
}


def plain_manifests(head, values):
    """The chart with these values, as a file for those without Helm."""
    with Chart.load(PACKED) as chart:
        manifests = chart.render(values, name="cloud-assistant-exporter", namespace="cloud-assistant")
    documents = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cloud-assistant"}}]
    for path, text in sorted(manifests.items()):
        if path.endswith(".yaml") and "/tests/" not in path and (document := yaml.safe_load(text)):
            for metadata in (document["metadata"], document.get("spec", {}).get("template", {}).get("metadata", {})):
                for label in HELM_LABELS:
                    metadata.get("labels", {}).pop(label, None)
                metadata.get("annotations", {}).pop("helm.sh/resource-policy", None)
                metadata.get("annotations", {}).pop("checksum/config", None)
                if metadata.get("annotations") == {}:
                    del metadata["annotations"]
            documents.append(document)
    head += "# Written from the chart (deploy/checks/chart.py); `deploy/check chart` compares.\n"
    return head + yaml.dump_all(documents, Dumper=BlockDumper, sort_keys=False, width=120)


@check
def plain():
    """the files of deploy/kubernetes are what the chart renders, by default and for two replicas"""
    objects, differ = 0, []
    for path, (head, values) in PLAIN_FILES.items():
        text = plain_manifests(head, values)
        objects += len(list(yaml.safe_load_all(text)))
        if not path.exists() or path.read_text() != text:
            (TOOLS / path.name).write_text(text)
            differ.append(f"differs; if that is wanted: cp target/deploy/{path.name} {path.relative_to(ROOT)}")
    fail_if(differ)
    return f"{objects} objects"


@check
def copy_job():
    """the job that takes a record over has the claim of one plain file, and the configuration and Secret of the other"""
    (job,) = yaml.safe_load_all(PLAIN_COPY.read_text())
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]

    def of(path):
        documents = list(yaml.safe_load_all(path.read_text()))
        return next(d for d in documents if d["kind"] == "Deployment")["spec"]["template"]["spec"]

    before, after = of(PLAIN), of(PLAIN_REPLICAS)
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert volumes == {v["name"]: v for v in [*before["volumes"], *after["volumes"]]}, volumes
    assert container["env"] == after["containers"][0]["env"]
    for path in ("image", "securityContext"):
        assert container[path] == after["containers"][0][path], path
    assert pod["securityContext"] == after["securityContext"]
    was = next(e["value"] for e in before["containers"][0]["env"] if e["name"] == f"{STATE}PATH")
    assert f"--state.copy-to-postgres={was}" in container["args"], container["args"]
