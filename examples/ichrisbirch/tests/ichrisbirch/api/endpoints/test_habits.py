"""Against the running API of the test environment."""

import uuid

import pytest
import requests

from ichrisbirch import config


@pytest.fixture
def habit():
    answer = requests.post(f"{config.API_URL}/habits/", json={"name": f"test {uuid.uuid4()}"}, timeout=5)
    assert answer.status_code == 201
    yield answer.json()
    requests.delete(f"{config.API_URL}/habits/{answer.json()['id']}", timeout=5)


def test_health_names_the_environment():
    assert requests.get(f"{config.API_URL}/health", timeout=5).json() == {
        "status": "healthy",
        "environment": config.ENVIRONMENT,
    }


def test_new_habit_is_listed(habit):
    assert habit in requests.get(f"{config.API_URL}/habits/", timeout=5).json()


def test_name_is_taken_once(habit):
    assert requests.post(f"{config.API_URL}/habits/", json={"name": habit["name"]}, timeout=5).status_code == 409


def test_complete_counts(habit):
    for times in (1, 2):
        answer = requests.post(f"{config.API_URL}/habits/{habit['id']}/complete", timeout=5)
        assert answer.json()["completed"] == times


def test_unknown_habit():
    assert requests.post(f"{config.API_URL}/habits/999999999/complete", timeout=5).status_code == 404
