"""Against the running front end of the test environment."""

import requests

from ichrisbirch import config


def test_page_counts_visits():
    first, second = (requests.get(f"{config.FLASK_URL}/", timeout=5).text for _ in range(2))
    visits = [int(page.rsplit("<p>", 1)[1].split()[0]) for page in (first, second)]
    assert visits[1] == visits[0] + 1
