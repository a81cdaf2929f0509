"""A browser without a window, for tests of pages; None where chromium, its driver or selenium is not installed."""

import importlib.util
import shutil
from contextlib import contextmanager

MISSING = [
    *(program for program in ("chromium", "chromedriver") if shutil.which(program) is None),
    *(package for package in ("selenium",) if importlib.util.find_spec(package) is None),
]
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


@contextmanager
def opened(folder, width=1400, height=760):
    """A driver of a browser that keeps what it needs in an empty folder."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()
