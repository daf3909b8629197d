"""What is asked of each real server: every tool, prompt, resource and template that it offers, and completions."""

from pathlib import Path

from tests.real.sample import (
    Sample,
    clock_times,
    completion,
    environments,
    file_times,
    instants,
    prompt,
    read,
    tool,
)

__all__ = ["everything", "fetch", "filesystem", "fixture", "git", "memory", "sequential_thinking", "sqlite", "time"]

_DOCUMENTS = ("architecture", "extension", "features", "how-it-works", "instructions", "startup", "structure")


def everything() -> list[Sample]:
    dynamic = "demo://resource/dynamic"
    team = {"name": "completable-prompt"}
    return [
        tool("echo", {"message": "caf\u00e9\u2028\U0001f50f"}),
        tool("echo", {"wrong": True}),
        *(tool("get-annotated-message", {"messageType": kind, "includeImage": True}) for kind in ("error", "debug")),
        tool("get-env", level=environments),
        tool("get-resource-links", {"count": 4}),
        tool("get-resource-reference", {"resourceType": "Text", "resourceId": 2}, clock_times),
        tool("get-resource-reference", {"resourceType": "Blob", "resourceId": 3}, clock_times),
        tool("get-structured-content", {"location": "Chicago"}),
        tool("get-sum", {"a": 1.5, "b": 9007199254740993}),
        tool("get-tiny-image"),
        # Switched on and off again: what it then sends belongs to no request.
        *(tool("toggle-simulated-logging") for _ in range(2)),
        *(tool("toggle-subscriber-updates") for _ in range(2)),
        tool("trigger-long-running-operation", {"duration": 0.2, "steps": 2}, _meta={"progressToken": "t-1"}),
        tool("simulate-research-query", {"topic": "gateways"}),
        prompt("simple-prompt"),
        prompt("args-prompt", {"city": "K\u00f6ln", "state": "NRW"}),
        prompt("args-prompt", {"state": "without a city"}),
        prompt("completable-prompt", {"department": "Sales", "name": "X"}),
        prompt("resource-prompt", {"resourceType": "Text", "resourceId": "5"}, clock_times),
        *(read(f"demo://resource/static/document/{name}.md") for name in _DOCUMENTS),
        read(f"{dynamic}/text/7", clock_times),
        read(f"{dynamic}/blob/8", clock_times),
        completion(team, "department", "S"),
        completion(team, "name", "", department="Engineering"),
        completion({"uri": f"{dynamic}/text/{{resourceId}}"}, "resourceId", "12"),
        completion({"uri": f"{dynamic}/blob/{{resourceId}}"}, "resourceId", "x"),
    ]


def filesystem(folder: Path) -> list[Sample]:
    """In a folder that `servers.fill` filled."""
    note, image, fresh = (str(folder / name) for name in ("note.txt", "pixel.png", "fresh.txt"))
    return [
        tool("read_file", {"path": note}),
        tool("read_text_file", {"path": note, "head": 1}),
        tool("read_text_file", {"path": str(folder / "missing")}),
        tool("read_text_file", {"path": "/etc/hostname"}),
        tool("read_media_file", {"path": image}),
        tool("read_multiple_files", {"paths": [note, str(folder / "missing")]}),
        tool("write_file", {"path": fresh, "content": "one\ntwo\u2028three\n"}),
        tool("edit_file", {"path": fresh, "edits": [{"oldText": "one", "newText": "1"}], "dryRun": True}),
        tool("edit_file", {"path": fresh, "edits": [{"oldText": "one", "newText": "1"}]}),
        tool("create_directory", {"path": str(folder / "deep" / "er")}),
        tool("move_file", {"source": fresh, "destination": str(folder / "deep" / "moved.txt")}),
        tool("list_directory", {"path": str(folder)}),
        tool("list_directory_with_sizes", {"path": str(folder), "sortBy": "size"}),
        tool("directory_tree", {"path": str(folder)}),
        tool("search_files", {"path": str(folder), "pattern": "**/*.txt"}),
        tool("get_file_info", {"path": note}, file_times),
        tool("list_allowed_directories"),
    ]


def memory() -> list[Sample]:
    """They leave the graph as empty as they found it."""
    entities = [
        {"name": "Gate", "entityType": "thing", "observations": ["is closed", "\u2028"]},
        {"name": "Key", "entityType": "thing", "observations": []},
    ]
    relation = {"from": "Key", "to": "Gate", "relationType": "opens"}
    return [
        tool("create_entities", {"entities": entities}),
        tool("create_relations", {"relations": [relation]}),
        tool("add_observations", {"observations": [{"entityName": "Key", "contents": ["is lost"]}]}),
        tool("add_observations", {"observations": [{"entityName": "Nobody", "contents": ["fails"]}]}),
        tool("read_graph"),
        read("memory://knowledge-graph"),
        tool("search_nodes", {"query": "lost"}),
        tool("open_nodes", {"names": ["Gate"]}),
        tool("delete_observations", {"deletions": [{"entityName": "Key", "observations": ["is lost"]}]}),
        tool("delete_relations", {"relations": [relation]}),
        tool("delete_entities", {"entityNames": ["Gate", "Key"]}),
        tool("read_graph"),
    ]


def sequential_thinking() -> list[Sample]:
    thought = {"thought": "first", "nextThoughtNeeded": True, "thoughtNumber": 1, "totalThoughts": 2}
    return [
        tool("sequentialthinking", thought),
        tool("sequentialthinking", {**thought, "branchFromThought": 1, "branchId": "b", "thoughtNumber": 2}),
        tool("sequentialthinking", {"thought": "no number"}),
    ]


def time() -> list[Sample]:
    return [
        tool("get_current_time", {"timezone": "Asia/Tokyo"}, instants),
        tool("get_current_time", {"timezone": "Not/There"}),
        tool(
            "convert_time",
            {"source_timezone": "UTC", "time": "16:30", "target_timezone": "Asia/Kathmandu"},
        ),
    ]


def fetch(page: str) -> list[Sample]:
    """`page` is the URL of an HTML page."""
    return [
        tool("fetch", {"url": page}),
        tool("fetch", {"url": page, "raw": True, "max_length": 40, "start_index": 5}),
        tool("fetch", {"url": f"{page}/missing"}),
        tool("fetch", {"url": page, "max_length": -1}),
        prompt("fetch", {"url": page}),
    ]


def git(folder: Path) -> list[Sample]:
    """In a repository that `servers.commit` made."""
    here = {"repo_path": str(folder)}
    return [
        tool("git_status", here),
        tool("git_diff_unstaged", here),
        tool("git_add", {**here, "files": ["README.md"]}),
        tool("git_diff_staged", {**here, "context_lines": 1}),
        tool("git_reset", here),
        tool("git_add", {**here, "files": ["README.md"]}),
        tool("git_commit", {**here, "message": "Say more"}),
        tool("git_log", {**here, "max_count": 2}),
        tool("git_show", {**here, "revision": "HEAD"}),
        tool("git_create_branch", {**here, "branch_name": "side"}),
        tool("git_checkout", {**here, "branch_name": "side"}),
        tool("git_checkout", {**here, "branch_name": "nowhere"}),
        tool("git_diff", {**here, "target": "main"}),
        tool("git_branch", {**here, "branch_type": "local"}),
    ]


def sqlite() -> list[Sample]:
    """They leave no table behind; insights add up, on both sides alike."""
    return [
        tool("create_table", {"query": "CREATE TABLE gates (id INTEGER PRIMARY KEY, name TEXT)"}),
        tool("write_query", {"query": "INSERT INTO gates (name) VALUES ('north'), ('s\u00fcd')"}),
        tool("read_query", {"query": "SELECT * FROM gates ORDER BY id"}),
        tool("read_query", {"query": "SELECT * FROM missing"}),
        tool("list_tables"),
        tool("describe_table", {"table_name": "gates"}),
        tool("append_insight", {"insight": "gates have names"}),
        read("memo://insights"),
        prompt("mcp-demo", {"topic": "gates"}),
        tool("write_query", {"query": "DROP TABLE gates"}),
    ]


def fixture() -> list[Sample]:
    """Of the servers written with the official SDKs, which offer the same over either era."""
    return [
        tool("rich"),
        tool(
            "echo",
            {"big": 9007199254740993, "text": "\u2028\u2029\U0001f50f\u0000", "null": None, "empty": [{}, [], ""]},
        ),
        tool("fails"),
        tool("refuses"),
        tool("counts", _meta={"progressToken": "count", "com.example/kept": 1}),
        tool("slow", {"seconds": 0}),
        tool("cancellations"),
        tool("big", {"size": 300_000}),
        prompt("greet", {"who": "\u4e16\u754c"}),
        *(prompt(name) for name in ("picture", "third", "fourth")),
        *(read(f"fixture://{name}") for name in ("text", "blob", "many", "item/7")),
        read("fixture://with%20space?q=1&r=%E2%82%AC"),
        completion({"name": "greet"}, "who", "w"),
        completion({"uri": "fixture://item/{id}"}, "id", "7"),
    ]
