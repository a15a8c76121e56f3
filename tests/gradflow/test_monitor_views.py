"""Table, JSON, summary, report, figure and words."""

import json
import math
import string
import subprocess
import sys

import pytest
import torch
from torch import nn

from gradflow.monitor import THRESHOLDS, GradientMonitor
from gradflow.monitor.messages import GROUPS, MESSAGES, WORDS


@pytest.fixture(scope="module")
def monitors() -> dict[str, GradientMonitor]:
    """One run, watched by a Russian and an English monitor; the last step is not finite."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.Tanh()), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    with GradientMonitor(net, optimizer) as russian, GradientMonitor(net, optimizer, lang="en") as english:
        for index in range(12):
            x = torch.randn(16, 4)
            x[0, 0] = math.nan if index == 11 else 0.0
            loss = (net(x) - 1).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            russian.step(loss)
            english.step(loss)
    return {"ru": russian, "en": english}


def test_the_table_has_one_row_a_module_and_step_and_says_what_the_record_says(monitors):
    record, table = monitors["ru"].record, monitors["ru"].table()
    assert list(table.groupby("step").size()) == [7] * 12
    assert list(table.module[:7]) == ["0", "1", "2.0", "2.1", "2", "3", "Sequential"]
    row = table[(table.step == 3) & (table.module == "0")].iloc[0]
    step = record.steps[2]
    assert row.output_norm == step.modules["0"].output.norm
    assert row.weight_gradient == math.hypot(*(step.parameters[f"0.{name}"].gradient for name in ("weight", "bias")))
    assert 0 < row.relative_update < 1
    assert table[table.step == 12].output_nan.sum() > 0


def test_json_can_be_read_again_by_any_parser(monitors):
    def refuse(word):
        raise AssertionError(word)

    content = json.loads(monitors["ru"].to_json(), parse_constant=refuse)
    assert content["verdict"] == "ill" and content["findings"][0]["code"] == "bad-batch"
    assert len(content["record"]["steps"]) == 12


@pytest.mark.parametrize("lang", ["ru", "en"])
def test_summary_fits_a_terminal_and_the_report_a_screen(monitors, lang):
    summary, report = monitors[lang].summary(), monitors[lang].report()
    assert max(map(len, summary.splitlines())) <= 80
    assert len(report.splitlines()) <= 50 and summary.splitlines()[0] in report
    assert monitors[lang].diagnose()[0].title in report
    assert torch.__version__ in report and "/" not in report.replace("inf/nan", "").replace("шаг/вес", "").replace(
        "step/W", ""
    )


def test_the_english_report_has_no_russian_word(monitors):
    assert not any("а" <= letter.lower() <= "я" for letter in monitors["en"].report())


def test_the_figure_has_a_panel_for_the_loss_and_one_for_the_gradients(monitors):
    chart = monitors["ru"].plot()
    loss, gradient = chart.axes
    assert list(loss.lines[0].get_ydata())[:11] == [step.loss for step in monitors["ru"].record.steps][:11]
    assert len(gradient.lines) == 2 and gradient.get_yscale() == "log"


def test_a_finding_names_everything_that_a_reader_needs(monitors):
    finding = monitors["ru"].diagnose()[0]
    text = str(finding)
    for part in (
        finding.title,
        finding.seen,
        finding.where,
        str(finding.since),
        *finding.causes,
        finding.test,
        finding.cure,
    ):
        assert part and part in text


@pytest.mark.parametrize("code", MESSAGES)
def test_both_languages_say_the_same_with_the_same_numbers(code):
    kind = MESSAGES[code]
    fields = [
        {name for _, name, _, _ in string.Formatter().parse("".join(message)) if name} for message in (kind.ru, kind.en)
    ]
    assert fields[0] == fields[1]
    assert kind.ru.causes.count("|") == kind.en.causes.count("|")
    assert kind.group in GROUPS and all(kind.ru) and all(kind.en)
    assert not any("а" <= letter.lower() <= "я" for letter in "".join(kind.en))


def test_words_and_thresholds_are_complete():
    assert WORDS["ru"].keys() == WORDS["en"].keys()
    assert all(entry.source and math.isfinite(entry.value) for entry in THRESHOLDS.values())


def test_an_empty_monitor_says_so():
    monitor = GradientMonitor(nn.Linear(2, 2))
    assert monitor.diagnose().verdict == "unknown" and monitor.diagnose() == []
    assert str(monitor.diagnose()).startswith("Не знаю") and "записано" in monitor.summary()
    assert len(monitor.table()) == 0 and monitor.report() and json.loads(monitor.to_json())


def test_importing_and_watching_needs_torch_alone():
    code = """
import sys
for name in ("pandas", "matplotlib", "IPython"):
    sys.modules[name] = None
import torch
from gradflow.monitor import GradientMonitor
net = torch.nn.Linear(2, 1)
with GradientMonitor(net) as monitor:
    loss = net(torch.ones(3, 2)).sum()
    loss.backward()
    monitor.step(loss)
print(monitor.report(), monitor.to_json())
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
