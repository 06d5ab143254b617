"""The ISO builder: reads BUILDER_CONFIG, assembles the medium, leaves the image and its metadata in the volume."""

import os
import signal
import sys

# Debian's place for the YAML parser: the interpreter starts without `site`, which would look for more
sys.path.append("/usr/lib/python3/dist-packages")


def stop(number, _frame):
    raise SystemExit(128 + number)


def say(text):
    print(text, flush=True)


def build():
    # imported late: the handlers must stand before anything slow, since PID 1 ignores signals it has no handler for
    import checks, configuration, listing, medium, menu, output, seed
    from workspace import Workspace

    config = configuration.read()
    with Workspace(config) as workspace:
        say(f"Reading {config.user_data} and {config.network_config}")
        inputs = seed.make(config, workspace.tree)
        menu.write(config.options, workspace.tree)
        sums = listing.write(workspace.tree)
        checks.free_space(config.volume, workspace.tree)
        say(f"Assembling {config.image} with {inputs}")
        medium.assemble(config.options, workspace)
        say(f"Finishing {config.image}")
        output.finish(workspace, sums)
    say(f"Made {config.host_volume}/{config.image}")


def explained(error):
    """What the system says, and of which file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return error


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, stop)
# the image holds user-data: readable by its owner alone
os.umask(0o077)
try:
    say("Making an ISO 9660 image for the ephemeral node")
    build()
except (ValueError, OSError) as error:
    sys.exit(f"error: {explained(error)}")
