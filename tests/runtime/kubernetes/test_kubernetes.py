"""Servers in pods, and what goes wrong on the way there and back."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.runtime.contract import Told
from tests.runtime.kubernetes.cluster import Cluster, Fault, kubeconfig
from tests.runtime.kubernetes.node import IMAGE
from tests.runtime.kubernetes.objects import Json
from tests.runtime.kubernetes.scenes import answers, asked, docker, refused, running
from toolgate.errors import StartFailed
from toolgate.model.profile import Mount, Profile, Wall
from toolgate.runtime.base import Launch
from toolgate.runtime.choose import Choice
from toolgate.runtime.kubernetes.kubernetes import Kubernetes
from toolgate.runtime.protections import Grade


async def test_what_it_is_given_stands_in_its_secret_alone(cluster: Cluster, kubernetes: Kubernetes) -> None:
    script = 'read -r _; echo "$KEY $1 $2"'
    launch = docker("sh", "-c", script, "sh", "--token=secret-1", "$(HOME) $$ $x", KEY="secret-2 $(HOME)")
    async with running(kubernetes, launch) as (server, told):
        server.write(b"")
        assert await told.next() == b"secret-2 $(HOME) --token=secret-1 $(HOME) $$ $x"
        [pod], [secret] = cluster.objects.all("pods"), cluster.objects.all("secrets")
        assert "secret-" not in json.dumps(pod)
        assert [owner["uid"] for owner in secret["metadata"]["ownerReferences"]] == [pod["metadata"]["uid"]]
        labels = pod["metadata"]["labels"]
        assert labels["toolgate.server"] == "tested"
        assert "blue" not in labels["toolgate.owner"]


async def test_owners_have_users_of_their_own(cluster: Cluster, kubernetes: Kubernetes) -> None:
    users = set()
    for owner in ("one", "two"):
        launch = docker("cat")
        async with running(kubernetes, Launch(launch.command, launch.args, owner=owner)):
            users.add(cluster.objects.all("pods")[0]["spec"]["securityContext"]["runAsUser"])
    assert len(users) == 2


async def test_an_image_that_cannot_be_fetched_is_explained(kubernetes: Kubernetes) -> None:
    error = await refused(kubernetes, docker("cat", image="registry.example/nothing:1"))
    assert "ImagePullBackOff" in error.message
    assert "failed to pull and unpack image" in error.message
    assert "pull secret" in error.hint


async def test_a_pod_for_which_no_node_has_room_is_explained(kubernetes: Kubernetes) -> None:
    error = await refused(kubernetes, docker("cat", profile=Profile(memory=9 * 2**30)))
    assert "found no node within 0.5 s: Unschedulable: 0/1 nodes are available" in error.message


async def test_a_quota_is_named(kubernetes: Kubernetes) -> None:
    error = await refused(kubernetes, docker("cat", profile=Profile(memory=50 * 2**30)))
    assert "exceeded quota: servers" in error.message
    assert "ResourceQuota" in error.hint


async def test_a_container_that_ends_before_anybody_is_there_says_why(cluster: Cluster, kubernetes: Kubernetes) -> None:
    cluster.faults.append(Fault("GET", "attach", 500))
    error = await refused(kubernetes, docker("sh", "-c", "echo no such option >&2; exit 2"))
    assert error.message == "exited with code 2: no such option"


async def test_a_missing_right_names_the_role(cluster: Cluster, kubernetes: Kubernetes) -> None:
    cluster.rules.discard(("create", "", "pods"))
    error = await refused(kubernetes, docker("cat"))
    assert "cannot create resource" in error.message
    assert "deploy/kubernetes/runner-role.yaml" in error.hint


async def test_credentials_are_read_anew_when_they_were_refused(
    cluster: Cluster, kubernetes: Kubernetes, tmp_path: Path
) -> None:
    await answers(kubernetes, docker("cat"))
    cluster.token = "another"
    error = await refused(kubernetes, docker("cat"))
    assert "does not accept the gateway's credentials" in error.message
    kubeconfig(cluster, tmp_path)
    await answers(kubernetes, docker("cat"))


async def test_a_token_file_that_is_away_for_a_while_is_waited_for(cluster: Cluster, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(cluster.token)
    file = kubeconfig(cluster, tmp_path, users=[{"name": "it", "user": {"tokenFile": "token"}}])
    runtime = Kubernetes(tmp_path, {"KUBECONFIG": str(file)})
    async with running(runtime, docker("cat")) as (_, told):
        cluster.token = "another"
        token.rename(tmp_path / "away")
        cluster.objects.end_watches()  # the next one needs the token
        await asked(cluster, "GET pods", 3)
        (tmp_path / "away").write_text(cluster.token)
        (tmp_path / "away").rename(token)
        [pod] = cluster.objects.all("pods")
        cluster.node.end(pod["metadata"]["name"], 0)
        assert await told.ending()
    await runtime.close()


async def test_an_api_server_that_is_busy_is_asked_again(cluster: Cluster, kubernetes: Kubernetes) -> None:
    asked_for = {"leases": 429, "networkpolicies": 500, "secrets": 502, "pods": 503}
    cluster.faults += [Fault(method, kind, code) for kind, code in asked_for.items() for method in ("POST", "PATCH")]
    await answers(kubernetes, docker("cat", KEY="1"))


async def test_an_answer_that_was_lost_makes_no_second_pod(cluster: Cluster, kubernetes: Kubernetes) -> None:
    cluster.faults += [Fault("POST", kind, 504, after=True) for kind in ("pods", "secrets", "leases")]
    await answers(kubernetes, docker("cat", KEY="1"))
    assert cluster.asked.count("POST pods") == 2


async def test_a_conflict_is_tried_again(cluster: Cluster, kubernetes: Kubernetes) -> None:
    cluster.faults.append(Fault("PATCH", "secrets", 409, status={"reason": "Conflict"}))
    await answers(kubernetes, docker("cat", KEY="1"))


async def test_events_that_are_forgotten_are_made_up_for_by_a_list(cluster: Cluster, kubernetes: Kubernetes) -> None:
    cluster.node.holds.clear()
    starting = asyncio.create_task(answers(kubernetes, docker("cat")))
    await asked(cluster, "POST pods")
    cluster.objects.compact()
    cluster.objects.version += 1
    cluster.node.holds.set()
    await starting


async def test_a_start_survives_a_restart_of_the_api_server(cluster: Cluster, kubernetes: Kubernetes) -> None:
    cluster.node.holds.clear()
    starting = asyncio.create_task(answers(kubernetes, docker("cat")))
    await asked(cluster, "POST pods")
    await cluster.end()
    cluster.node.holds.set()
    await cluster.begin()
    await starting


async def test_a_lost_attachment_is_the_end_of_a_server(cluster: Cluster, kubernetes: Kubernetes) -> None:
    async with running(kubernetes, docker("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")) as (_, told):
        await cluster.drop_attachments()
        assert "the connection to its pod was lost" in await told.ending()
        assert cluster.objects.all("pods") == []


async def test_a_server_ends_with_the_api_server_and_starts_with_it(cluster: Cluster, kubernetes: Kubernetes) -> None:
    async with running(kubernetes, docker("cat")) as (_, told):
        await cluster.end()
        await cluster.begin()
        # Its input has ended, which it heeds.
        assert await told.ending() == "exited with code 0"
    await answers(kubernetes, docker("cat"))


async def test_a_pod_that_somebody_else_removed_is_gone(cluster: Cluster, kubernetes: Kubernetes) -> None:
    async with running(kubernetes, docker("cat")) as (_, told):
        [pod] = cluster.objects.all("pods")
        cluster.node.end(pod["metadata"]["name"], 0)
        assert "its pod was removed by somebody else" in await told.ending()


async def test_too_much_memory_is_named(kubernetes: Kubernetes) -> None:
    script = "read -r _; echo out of memory >&2; kill -9 $$"
    async with running(kubernetes, docker("sh", "-c", script)) as (server, told):
        server.write(b"")
        assert (await told.ending()).startswith("was killed: it used more than its `memory`")


async def test_an_older_cluster_without_half_closed_streams_is_enough(cluster: Cluster, kubernetes: Kubernetes) -> None:
    cluster.protocols = ("v4.channel.k8s.io",)
    script = "trap 'exit 0' TERM; while read -r line; do echo $line; done"
    await answers(kubernetes, docker("sh", "-c", script))


async def test_one_that_does_not_read_makes_writers_wait(kubernetes: Kubernetes) -> None:
    async with running(kubernetes, docker("sleep", "60")) as (server, _):
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    server.write(b"x" * 100_000)
                    await server.ready()
        assert not server.reads
        while server.post(b"x" * 100_000):
            pass


async def test_a_home_survives_for_its_owner_where_it_is_asked_for(kubernetes: Kubernetes) -> None:
    script = 'read -r _; cat "$HOME/kept" 2>/dev/null || echo new; echo old >"$HOME/kept"'
    for expected in (b"new", b"old"):
        async with running(kubernetes, docker("sh", "-c", script, profile=Profile(persistent=True))) as (server, told):
            server.write(b"")
            assert await told.next() == expected
            await told.ending()


@pytest.mark.parametrize(
    ("launch", "words"),
    [
        (Launch("npx", ("-y", "x")), "runs images"),
        (docker("cat", profile=Profile(mounts=(Mount("/srv"),))), "sees no files of this machine.*/srv"),
        (Launch("docker", ("run", "-v", "/srv:/data", IMAGE)), "sees no files of this machine.*/srv"),
        (docker("cat", profile=Profile(network=("private:db.corp",))), "no private host by its name"),
        (docker("cat", profile=Profile(network=("127.0.0.1:5432",))), "runs elsewhere"),
    ],
)
async def test_what_a_pod_cannot_be_given_is_refused(kubernetes: Kubernetes, launch: Launch, words: str) -> None:
    with pytest.raises(StartFailed, match=words):
        async with running(kubernetes, launch):
            pass


async def test_without_a_network_nothing_is_reached_and_with_one_what_is_public(
    cluster: Cluster, kubernetes: Kubernetes
) -> None:
    await answers(kubernetes, docker("cat"))
    [none] = cluster.objects.all("networkpolicies")
    assert (none["spec"]["policyTypes"], none["spec"]["egress"]) == (["Ingress", "Egress"], [])
    profile = Profile(network=("api.example.com", "10.0.0.5:5432"), accept=frozenset({Wall.EGRESS}))
    async with running(kubernetes, docker("cat", profile=profile)):
        [pod] = cluster.objects.all("pods")
    [policy] = [each for each in cluster.objects.all("networkpolicies") if each != none]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    resolver, public, private = policy["spec"]["egress"]
    assert {port["port"] for port in resolver["ports"]} == {53}
    assert "169.254.0.0/16" in public["to"][0]["ipBlock"]["except"]
    assert private["to"] == [{"ipBlock": {"cidr": "10.0.0.5/32"}}]


async def test_a_policy_that_somebody_removed_is_there_again(cluster: Cluster, kubernetes: Kubernetes) -> None:
    for _ in range(2):
        await answers(kubernetes, docker("cat"))
        [policy] = cluster.objects.all("networkpolicies")
        cluster.objects.remove("networkpolicies", policy["metadata"]["name"])


async def test_names_of_hosts_need_the_operators_word(kubernetes: Kubernetes) -> None:
    choice = Choice([], named=[kubernetes])
    named = Profile(runtime="kubernetes", network=("api.example.com",))
    with pytest.raises(StartFailed, match=r"egress is partial .*knows no names"):
        await choice("tested", docker("cat", profile=named), Told(), limit=2**20, redact=str)
    await choice.close()


async def test_the_probe_says_what_is_asked_for_and_what_is_not_tried(kubernetes: Kubernetes) -> None:
    found = await kubernetes.probe()
    assert {wall for wall, finding in found.items() if finding.grade is Grade.ENFORCED} == set()
    assert found[Wall.PROCESSES].grade is Grade.ABSENT
    assert all(finding.reason for finding in found.values())


async def test_the_probe_says_why_nothing_works(cluster: Cluster, kubernetes: Kubernetes, tmp_path: Path) -> None:
    cluster.rules.discard(("create", "", "pods"))
    found = await kubernetes.probe()
    assert {finding.grade for finding in found.values()} == {Grade.ABSENT}
    nowhere = Kubernetes(tmp_path, {"HOME": str(tmp_path)})
    assert "no Kubernetes cluster is configured" in (await nowhere.probe())[Wall.NETWORK].reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (lambda pod: pod["spec"]["securityContext"].pop("runAsNonRoot"), "securityContext"),
        (lambda pod: pod["spec"]["containers"][0]["securityContext"].pop("capabilities"), "securityContext of"),
        (lambda pod: pod["spec"]["containers"][0]["resources"]["limits"].pop("memory"), "limits"),
        (lambda pod: pod["spec"]["containers"].append({"name": "proxy"}), "other containers are put beside it"),
        (lambda pod: pod["spec"]["volumes"].append({"name": "x", "hostPath": {}}), "a folder of its node"),
        (lambda pod: pod["spec"].update(hostNetwork=True), "its node's own"),
    ],
)
async def test_a_cluster_that_takes_a_wall_down_gives_none(
    cluster: Cluster, kubernetes: Kubernetes, changes: Callable[[Json], object], words: str
) -> None:
    cluster.admission = changes
    found = await kubernetes.probe()
    assert {finding.grade for finding in found.values()} == {Grade.ABSENT}
    assert words in found[Wall.FILESYSTEM].reason


async def test_the_role_has_what_is_needed_and_nothing_else(cluster: Cluster, kubernetes: Kubernetes) -> None:
    cluster.faults.append(Fault("POST", "pods", 504, after=True))  # then it is looked at
    async with running(kubernetes, docker("sh", "-c", "read -r _; exit 1", profile=Profile(persistent=True), KEY="1")):
        pass
    cluster.faults.append(Fault("GET", "attach", 500))
    await refused(kubernetes, docker("sh", "-c", "exit 1"))
    await kubernetes._lease.renew()
    cluster.node.holds.clear()
    await refused(kubernetes, docker("cat"))
    cluster.node.holds.set()
    await kubernetes.close()
    assert cluster.used == cluster.rules
