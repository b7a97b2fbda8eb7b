import pytest

from training.metrics_log import MetricsLog, read_rows
from training.schedule import Schedule

SCHEDULE = Schedule(num_examples=20, batch_size=5, last_step=8)


def test_resumed_run_drops_rows_after_its_checkpoint(tmp_path):
    log = MetricsLog(tmp_path, SCHEDULE)
    for step in (2, 4, 6):
        log.add(step, "train", {"loss": 1 / step})
    log.add(4, "validation", {"loss": 0.5, "accuracy": 0.75})
    again = MetricsLog(tmp_path, SCHEDULE, start_step=4)
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


def test_partial_last_line_is_dropped(tmp_path):
    log = MetricsLog(tmp_path, SCHEDULE)
    log.add(2, "train", {"loss": 1.0})
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("4,1.0,tra")
    assert [row["step"] for row in read_rows(tmp_path / "metrics.csv")] == ["2"]


def test_new_metric_adds_a_column_and_old_rows_stay(tmp_path):
    log = MetricsLog(tmp_path, SCHEDULE)
    log.add(2, "train", {"loss": 1.0})
    log.add(4, "train", {"loss": 0.5, "gradient_norm": 7})
    rows = read_rows(tmp_path / "metrics.csv")
    assert [(row["loss"], row["gradient_norm"]) for row in rows] == [("1", ""), ("0.5", "7")]


def test_metrics_of_an_earlier_version_are_read_and_continued(tmp_path):
    (tmp_path / "metrics.csv").write_text(
        "step,epoch,split,loss,accuracy,photos_per_second\n2,0.5,train,1,0.5,33\n"
    )
    log = MetricsLog(tmp_path, SCHEDULE, start_step=2)
    log.add(4, "train", {"loss": 0.5, "images_per_second": 44})
    rows = read_rows(tmp_path / "metrics.csv")
    assert [row["images_per_second"] for row in rows] == ["33", "44"]


@pytest.mark.parametrize(
    ("damage", "kept"),
    [
        (lambda text: text.replace("4,1.0000", "4,\xff.0000"), [2, 6]),  # not UTF-8, no number
        (lambda text: text.replace("4,1.0000", "4,1.0000,7"), [2, 6]),  # a field too many
        (lambda text: text.replace("4,1.0000,", "4,"), [2, 6]),  # one too few
        (lambda text: text.replace("4,1.0000", "four,1.0000"), [2, 6]),
        (lambda text: text.replace("4,1.0000", "\0,1.0000"), [2, 6]),
        (lambda text: text.partition("\n")[2], []),  # the header is lost
    ],
)
def test_damaged_rows_are_left_out_and_the_run_resumes(tmp_path, capsys, damage, kept):
    log, path = MetricsLog(tmp_path, SCHEDULE), tmp_path / "metrics.csv"
    for step in (2, 4, 6):
        log.add(step, "train", {"loss": 1 / step})
    path.write_bytes(damage(path.read_text()).encode("latin-1"))
    MetricsLog(tmp_path, SCHEDULE, start_step=6).add(8, "train", {"loss": 0.1})
    lost = 1 if kept else 2
    assert f"{path}: {lost} damaged rows are left out" in capsys.readouterr().out
    assert [int(row["step"]) for row in read_rows(path)] == [*kept, 8]
    assert "damaged" not in capsys.readouterr().out  # the file is whole again
