import pytest

from training.metrics_log import MetricsLog, read_rows
from training.schedule import Schedule

SCHEDULE = Schedule(num_examples=20, batch_size=5, last_step=8)


def test_a_run_that_goes_on_drops_what_came_after_its_checkpoint(tmp_path):
    log = MetricsLog(tmp_path, SCHEDULE)
    for step in (2, 4, 6):
        log.add(step, "train", {"loss": 1 / step})
    log.add(4, "validation", {"loss": 0.5, "accuracy": 0.75})
    again = MetricsLog(tmp_path, SCHEDULE, first_step=4)
    again.add(6, "train", {"loss": 0.1})
    kept = [(row["step"], row["split"], row["loss"]) for row in read_rows(tmp_path / "metrics.csv")]
    assert kept == [
        ("2", "train", "0.5"),
        ("4", "train", "0.25"),
        ("4", "validation", "0.5"),
        ("6", "train", "0.1"),
    ]
    assert again.validations() == {4: pytest.approx(0.75)}
    assert read_rows(tmp_path / "metrics.csv")[0]["epoch"] == "0.5000"


def test_half_a_line_of_a_killed_run_is_left_out(tmp_path):
    log = MetricsLog(tmp_path, SCHEDULE)
    log.add(2, "train", {"loss": 1.0})
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("4,1.0,tra")
    assert [row["step"] for row in read_rows(tmp_path / "metrics.csv")] == ["2"]
