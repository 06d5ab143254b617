"""The ISO builder: reads BUILDER_CONFIG, assembles the medium, leaves the image and its metadata in the volume."""

import os
import signal
import sys


def stop(number, _frame):
    raise SystemExit(128 + number)


def build():
    # imported late: the handlers must stand before anything slow, since PID 1 ignores signals it has no handler for
    import checks, configuration, medium, output, seed

    config = configuration.read()
    with output.Workspace(config) as workspace:
        print(f"Reading {config.user_data} and {config.network_config}", flush=True)
        inputs = seed.make(config, workspace.seed)
        checks.free_space(config.volume, inputs)
        print(f"Assembling {config.image}", flush=True)
        medium.assemble(inputs, workspace.image)
        print(f"Finishing {config.image}", flush=True)
        workspace.finish()
    print(f"Made {config.host_volume}/{config.image}", flush=True)


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, stop)
# the image holds user-data: readable by its owner alone
os.umask(0o077)
try:
    print("Making an ISO 9660 image for the ephemeral node", flush=True)
    build()
except (ValueError, OSError) as error:
    sys.exit(f"error: {error}")
