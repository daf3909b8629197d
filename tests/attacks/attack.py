"""Every attack: which wall it goes against, and whether it can be shown to work where nothing stops it."""

from dataclasses import dataclass

from toolgate.model.profile import Wall

__all__ = ["ATTACKS", "Attack"]


@dataclass(frozen=True)
class Attack:
    """`name` is the function in `inside`. `control` says whether it is shown to succeed without walls: not where that
    would do harm or depends on the machine; `root`, that nobody else succeeds. `alone` gets a start for itself: the
    answer may be its end."""

    name: str
    wall: Wall
    control: bool = True
    root: bool = False
    alone: bool = False


def _of(wall: Wall, names: str, *, control: bool = True, root: bool = False, alone: bool = False) -> list[Attack]:
    return [Attack(name, wall, control, root, alone) for name in names.split()]


ATTACKS = [
    *_of(Wall.FILESYSTEM, "read_secret list_folder read_through_link read_by_hard_link read_other_tenant"),
    *_of(Wall.FILESYSTEM, "read_shadow read_by_descriptor_of_parent read_environment", root=True),
    *_of(Wall.FILESYSTEM, "write_secret make_file move_out remove_file change_mode change_times cut_file"),
    *_of(Wall.FILESYSTEM, "write_kernel make_device", root=True),
    *_of(Wall.FILESYSTEM, "write_system open_device", control=False),
    *_of(Wall.SYSCALLS, "set_user_id create_set_user_id"),
    *_of(Wall.SYSCALLS, "trace read_memory_by_call change_root become_root", root=True),
    *_of(Wall.SYSCALLS, "new_mount_namespace enter_namespace", root=True),
    *_of(Wall.SYSCALLS, "new_user_namespace clone_user_namespace mount_tmpfs mount_anew open_by_handle", control=False),
    *_of(Wall.SYSCALLS, "use_the_dangerous", control=False),
    *_of(Wall.PROCESSES, "see_others signal_gateway"),
    *_of(Wall.PROCESSES, "read_memory write_memory_of_first", root=True),
    *_of(
        Wall.NETWORK, "reach_loopback reach_this_machine ask_names reach_unix_path reach_unix_abstract reconnect_pair"
    ),
    *_of(Wall.NETWORK, "reach_link_local reach_private reach_public resolve_names reach_vsock send_raw", control=False),
    *_of(Wall.PROCESSES, "fork_bomb", alone=True),
    *_of(Wall.PROCESSES, "take_descriptors", root=True, alone=True),
    *_of(Wall.MEMORY, "take_memory take_memory_in_parts take_shared_memory take_memory_file", alone=True),
    *_of(Wall.TEMPORARY, "fill_tmp fill_one_file", alone=True),
    *_of(Wall.FILESYSTEM, "fill_elsewhere", control=False, alone=True),
    *_of(Wall.CPU, "spin", alone=True),
]
