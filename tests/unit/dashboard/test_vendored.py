"""What is served and was not written here is exactly what its makers published."""

import hashlib
import tomllib

from rollcall.dashboard.app import STATIC

VENDOR = STATIC / "vendor"


def test_every_vendored_file_is_listed_with_its_hash() -> None:
    listed = tomllib.loads((VENDOR / "VENDOR.toml").read_text("utf-8"))
    hashes = {name: digest for made in listed.values() for name, digest in made["files"].items()}
    found = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDOR.iterdir()
        if file.suffix in {".js", ".css"}
    }
    assert found == hashes
    assert (VENDOR / "uPlot.LICENSE").is_file()
