"""The medium: ISO 9660 with El Torito and GPT, which boots by BIOS and UEFI, from CD and from a disk."""

import os
import subprocess
import time

from checks import ASSETS

# Fixed, so that the same inputs give the same bytes.
DISK_ID = "41495253-4849-5021-8000-000000000001"
BOOT = f"{ASSETS}/boot"
# what holds or describes user-data: -r makes all readable by everyone, and so by every account of the node
SECRET = ("/nocloud", "/config-drive", "/.airship/SHA256SUMS")


def bios():
    """From CD by El Torito, from a disk by the boot record, both of GRUB; none where the processor knows no BIOS."""
    if not os.path.exists(f"{BOOT}/eltorito.img"):
        return []
    return ["-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
            "--grub2-boot-info", "--grub2-mbr", f"{BOOT}/boot_hybrid.img", "-eltorito-alt-boot"]


def grafts(tree):
    found = {"/live": f"{ASSETS}/live", "/.airship/live": f"{BOOT}/marker", "/boot/grub/eltorito.img": f"{BOOT}/eltorito.img"}
    own = {f"/{name}": os.path.join(tree, name) for name in ("boot/grub/grub.cfg", ".airship/SHA256SUMS", "nocloud", "config-drive")}
    return {target: source for target, source in (found | own).items() if os.path.exists(source)}


def arguments(options, tree, image):
    stamp = time.strftime("%Y%m%d%H%M%S00", time.gmtime(options.epoch))
    files = grafts(tree)
    secret = [path for path in SECRET if path in files]
    return [
        "xorriso", "-no_rc", "-report_about", "WARNING", "-as", "mkisofs",
        "-r", "-J", "-joliet-long", "-iso-level", "3", "-V", options.label,
        f"--modification-date={stamp}", "--set_all_file_dates", stamp, "--gpt_disk_guid", DISK_ID,
        "-c", "boot/boot.cat", *bios(),
        # UEFI: one FAT image, as partition 2 and as El Torito's second entry
        "-append_partition", "2", "0xef", f"{BOOT}/efi.img", "-appended_part_as_gpt",
        "-e", "--interval:appended_partition_2:all::", "-no-emul-boot", "-isohybrid-gpt-basdat",
        "-partition_offset", "16", "-o", image, "-graft-points", *(f"{target}={source}" for target, source in files.items()),
        "--", "-chmod_r", "go-rwx", *secret, "--",
    ]


def assemble(options, workspace):
    """Writes the image in one pass; needs no devices, mounts or loop."""
    # all dates are told; with this variable it would only say that it has seen it
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    status = subprocess.run(arguments(options, workspace.tree, workspace.image.new), env=environment).returncode
    if status != 0:
        raise ValueError(f"assembling the image: xorriso ended with status {status}")
