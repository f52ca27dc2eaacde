"""The executables under test, built with COUNTED=1, in the folder that make gives them."""

import os
import re
import subprocess

from driver_case import BUILD
from shared import ROOT, without_make


def build_counted(names):
    """Builds kma_NAME for each name and returns the folder."""
    folder = os.path.relpath(BUILD, ROOT) + "-counted"
    page_size = re.search(r"-(\d+)", os.path.basename(BUILD))
    settings = [f"CC={os.environ.get('KMA_CC', 'gcc')}",
                f"PAGESIZE={page_size.group(1) if page_size else ''}",
                f"M32={1 if '-m32' in BUILD else ''}",
                f"SANITIZE={'address' if '-sanitize' in BUILD else ''}"]
    subprocess.run(["make", "-s", "COUNTED=1", *settings,
                    *(f"{folder}/kma_{name}" for name in names)],
                   cwd=ROOT, check=True, env=without_make())
    return os.path.join(ROOT, folder)
