"""The medium: ISO 9660 with El Torito and GPT, which boots by BIOS and UEFI, from CD and from a disk."""

import os
import subprocess
import time

from checks import ASSETS

# Fixed, so that the same inputs give the same bytes.
DISK_ID = "41495253-4849-5021-8000-000000000001"


def arguments(seed, image):
    stamp = time.strftime("%Y%m%d%H%M%S00", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "1750000000"))))
    boot = f"{ASSETS}/boot"
    return [
        "xorriso", "-no_rc", "-report_about", "WARNING", "-as", "mkisofs",
        "-r", "-J", "-joliet-long", "-iso-level", "3", "-V", "AIRSHIP_EPH",
        f"--modification-date={stamp}", "--set_all_file_dates", stamp, "--gpt_disk_guid", DISK_ID,
        # BIOS: from CD by El Torito, from a disk by the boot record, both of grub
        "-c", "boot/boot.cat", "-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
        "--grub2-boot-info", "--grub2-mbr", f"{boot}/boot_hybrid.img",
        # UEFI: one FAT image, as partition 2 and as El Torito's second entry
        "-append_partition", "2", "0xef", f"{boot}/efi.img", "-appended_part_as_gpt",
        "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::", "-no-emul-boot", "-isohybrid-gpt-basdat",
        "-partition_offset", "16", "-o", image, "-graft-points",
        f"/live={ASSETS}/live", f"/boot/grub/grub.cfg={boot}/grub.cfg", f"/boot/grub/eltorito.img={boot}/eltorito.img",
        f"/.airship/live={boot}/marker", f"/nocloud={seed}",
        # -r made all readable by everyone; on the node that would show user-data to every account
        "--", "-chmod_r", "go-rwx", "/nocloud", "--",
    ]


def assemble(seed, image):
    """Writes the image in one pass; needs no devices, mounts or loop."""
    status = subprocess.run(arguments(seed, image)).returncode
    if status != 0:
        raise ValueError(f"assembling the image: xorriso ended with status {status}")
