"""Reading and writing what it was not given."""

import glob
import os
import stat

from .given import TMP, any_of, contains, folder, mark, mount, opens, others, secret, victim
from .processes import others as other_processes


def read_secret() -> object:
    return contains(secret, mark)


def list_folder() -> object:
    return os.listdir(folder)


def read_through_link() -> object:
    os.symlink(secret, f"{mount}/link")
    return contains(f"{mount}/link", mark)


def read_by_hard_link() -> object:
    os.link(secret, f"{mount}/hard")
    return contains(f"{mount}/hard", mark)


def read_other_tenant() -> object:
    places = [path for place in others for path in glob.glob(f"{place}/**", recursive=True)]
    return any_of(lambda path: os.path.isfile(path) and contains(path, mark), places)


def read_by_descriptor_of_parent() -> object:
    links = [f"/proc/{pid}/{name}{secret}" for pid in other_processes() for name in ("root", "cwd")]
    return any_of(lambda path: contains(path, mark), links)


def read_shadow() -> object:
    return contains("/etc/shadow", "root")


def write_secret() -> object:
    with open(secret, "a") as file:
        return file.write("x")


def cut_file() -> object:
    os.truncate(victim, 0)
    return True


def make_file() -> object:
    return opens(f"{folder}/made", os.O_CREAT | os.O_WRONLY)


def remove_file() -> object:
    os.unlink(f"{folder}/removed")
    return True


def move_out() -> object:
    opens(f"{TMP}/moved", os.O_CREAT | os.O_WRONLY)
    os.rename(f"{TMP}/moved", f"{folder}/moved")
    return True


def change_mode() -> object:
    os.chmod(victim, 0o640)
    return True


def change_times() -> object:
    os.utime(victim, (1, 1))
    return True


def write_system() -> object:
    places = ("/usr/lib", "/usr/local", "/etc", "/opt", "/root", "/var/tmp", "/dev", "/")  # noqa: S108  # outside
    flags = os.O_CREAT | os.O_WRONLY
    return any_of(lambda at: opens(f"{at}/toolgate-attack", flags), places)


def write_kernel() -> object:
    names = ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches")
    return any_of(lambda name: opens(name, os.O_WRONLY), (*names, "/sys/power/state"))


def open_device() -> object:
    blocks = [path for path in glob.glob("/dev/*") if stat.S_ISBLK(os.stat(path).st_mode)]
    return any_of(lambda path: opens(path, os.O_RDONLY), ("/dev/mem", "/dev/kmsg", "/dev/port", *blocks))


def make_device() -> object:
    os.mknod(f"{TMP}/device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    return True


def set_user_id() -> object:
    os.close(os.open(f"{mount}/su", os.O_CREAT | os.O_WRONLY, 0o755))
    os.chmod(f"{mount}/su", 0o4755)  # noqa: S103  # the attack
    return os.stat(f"{mount}/su").st_mode & stat.S_ISUID


def create_set_user_id() -> object:
    os.close(os.open(f"{mount}/su2", os.O_CREAT | os.O_WRONLY, 0o4755))
    return os.stat(f"{mount}/su2").st_mode & stat.S_ISUID
