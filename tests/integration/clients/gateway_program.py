"""ThingsBoard's IoT gateway, as it is delivered, without connectors: python gateway_program.py PORT TOKEN.

Its configuration is made of the one that it brings, in the working directory.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import thingsboard_gateway
from thingsboard_gateway.tb_gateway import main

DELIVERED = Path(thingsboard_gateway.__file__).parent / "config"


def configure(port: int, token: str) -> Path:
    folder = Path("config").absolute()
    shutil.copytree(DELIVERED, folder)
    file = folder / "tb_gateway.json"
    settings = json.loads(file.read_text("utf-8"))
    settings["thingsboard"].update(host="127.0.0.1", port=port)
    settings["thingsboard"]["security"]["accessToken"] = token
    settings["connectors"] = []
    file.write_text(json.dumps(settings), "utf-8")
    return folder


if __name__ == "__main__":
    os.environ["TB_GW_CONFIG_DIR"] = str(configure(int(sys.argv[1]), sys.argv[2]))
    sys.argv[1:] = []
    main()
