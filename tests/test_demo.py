import json
from pathlib import Path

import pytest

import demo


def fake_python(accuracies, commands):
    """Stands in for running a command: returns a last line as the scripts print it."""

    def answer(command):
        commands.append(command)
        name = command.split("--log_dir ")[-1].split()[0].rpartition("/")[2]
        result = {
            "steps": 40,
            "num_examples": 250,
            "accuracy": accuracies.get(name, 0.5),
            "checkpoint": "ckpt",
        }
        return json.dumps(result | {"log_dir": f"runs/{name}", "eval_dir": "eval"})

    return answer


@pytest.mark.parametrize(("fine_tuned", "status"), [(0.8, 0), (0.44, 1), (0.3, 1)])
def test_fine_tuning_has_to_lead_by_15_points(monkeypatch, tmp_path, capsys, fine_tuned, status):
    accuracies = {"untrained": 0.2, "warm_started": 0.2, "scratch": 0.3, "fine_tuned": fine_tuned}
    commands = []
    monkeypatch.chdir(tmp_path)  # and back again, for the demo goes to the project's folder
    monkeypatch.setattr("sys.argv", ["demo.py"])
    monkeypatch.setattr(demo, "DEMO", tmp_path / "demo")
    monkeypatch.setattr(demo, "python", fake_python(accuracies, commands))
    assert demo.main() == status
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["fine-tuned", "40", f"{100 * fine_tuned:.1f}", "%"] in [row[:4] for row in table]
    assert ["trained", "from", "scratch", "40", "30.0", "%"] in [row[:6] for row in table]
    warm = [command for command in commands if "--checkpoint_path ckpt" in command]
    assert [command.split("--max_number_of_steps ")[1].split()[0] for command in warm] == [
        "0",
        str(demo.STEPS),
    ]


def test_failed_command_ends_the_demo_with_its_status(capfd, monkeypatch):
    monkeypatch.chdir(Path(demo.__file__).parent)
    with pytest.raises(SystemExit) as end:
        demo.python("convert_flowers.py --num_shards 0")
    assert end.value.code == 2
    assert "$ python convert_flowers.py --num_shards 0" in capfd.readouterr().out
